"""Other people's servers of HTTP/2, all at once: most of the time of a check is waiting.

    unshare --net http2.py LABEL FERRY HOME

Prints one line for each check.
"""

import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from certificates import Certificates
from http2_checks import Checks
from http2_fronts import FRONTS, HERE, FastMcp
from http2_network import SERVER, Network
from programs import Programs, free_port

EVERYTHING = HERE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"


def start(directory, stack, make):
    """The checks of all servers, which run, and those of hypercorn with a server of its own."""
    network = Network(stack)
    certificates = Certificates(directory / "certificates", f"DNS:localhost,IP:127.0.0.1,IP:{SERVER}")
    upstreams, node, load = Programs(directory, stack), shutil.which("node"), free_port()
    started = [(load, upstreams.run("load", node, HERE / "load_server.mjs", str(load)))]
    checks = []
    only = os.environ.get("HTTP2_FRONTS", "").split()
    for kind in [kind for kind in FRONTS if not only or kind.name in only]:
        reference = free_port()
        command = ["env", f"PORT={reference}", node, EVERYTHING, "streamableHttp"]
        started.append((reference, upstreams.run(f"reference-{kind.name}", *command)))
        still = kind(directory / f"{kind.name}-still", stack, certificates, reference, load)
        shaken = kind(directory / f"{kind.name}-shaken", stack, certificates, reference, load, most_requests=50)
        checks.append(make(still, shaken, network))
    for port, process in started:
        upstreams.wait_for("upstream", port, [process])
    return checks, make(FastMcp(directory / "fastmcp", stack, certificates, None, None))


def main():
    label, ferry, home = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        checks, python = start(Path(directory), stack, lambda *servers: Checks(label, ferry, home, *servers))

        def at_once(*lanes):
            with ThreadPoolExecutor(len(lanes)) as pool:
                list(pool.map(lambda lane: [step() for step in lane], lanes))

        with ThreadPoolExecutor(len(checks)) as idle:
            for one in checks:
                idle.submit(one.idle)
            at_once(*([one.everything] for one in checks))
            at_once([python.python], *([one.lose_packets] for one in checks))
            # Each of these keeps a processor busy.
            at_once([one.load for one in checks], [one.end_connections for one in checks])
    sys.exit(1 if any(one.failed for one in [*checks, python]) else 0)


main()
