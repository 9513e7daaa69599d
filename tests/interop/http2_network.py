"""How does a path go dead in silence? Packets are dropped between two network namespaces.

This process's namespace is a new one (`unshare --net`), which has the servers. A second one has the client. Both end with their
processes.
"""

import os
import subprocess
import time

SERVER, CLIENT = "10.13.0.1", "10.13.0.2"
# Before packets reach their end they are dropped, so neither side learns of it.
RULES = """
table inet path {{
    set dead {{ type inet_service; }}
    chain arriving {{
        type filter hook prerouting priority raw;
        tcp {side} @dead drop
    }}
}}
"""
# In which namespace packets are dropped, for each direction.
DIRECTIONS = {"to the server": ["server"], "from the server": ["client"], "both directions": ["server", "client"]}


class Network:
    def __init__(self, stack):
        holder = stack.enter_context(subprocess.Popen(["unshare", "--net", "sleep", "infinity"]))
        stack.callback(holder.kill)
        space = f"/proc/{holder.pid}/ns/net"
        self.inside = {"server": [], "client": ["nsenter", f"--net={space}"]}
        while os.readlink(space) == os.readlink("/proc/self/ns/net"):
            time.sleep(0.01)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "to-client", "type", "veth", "peer", "name", "to-server", "netns", str(holder.pid))
        for side, link, address in (("server", "to-client", SERVER), ("client", "to-server", CLIENT)):
            run(*self.inside[side], "ip", "address", "add", f"{address}/24", "dev", link)
            run(*self.inside[side], "ip", "link", "set", link, "up")
            rules = RULES.format(side="dport" if side == "server" else "sport")
            run(*self.inside[side], "nft", "--file", "-", stdin=rules)

    def kill(self, direction, port):
        self.change("add", direction, port)

    def revive(self, direction, port):
        self.change("delete", direction, port)

    def change(self, verb, direction, port):
        for side in DIRECTIONS[direction]:
            run(*self.inside[side], "nft", verb, "element", "inet", "path", "dead", f"{{ {port} }}")


def run(*command, stdin=""):
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)}: {ran.stderr}")
