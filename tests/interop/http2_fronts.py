"""Which servers speak HTTP/2 here, and how does each start, reload gracefully, and log its requests?"""

import json
import os
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from programs import Programs, free_port

HERE = Path(__file__).resolve().parent
PYTHON = HERE / ".venv/bin/python"
PACKAGES = {
    "/usr/sbin/nginx": "nginx",
    "/usr/bin/caddy": "caddy",
    "/usr/sbin/haproxy": "haproxy",
    "/usr/bin/openssl": "openssl",
    "/usr/sbin/nft": "nftables",
    "/usr/sbin/ip": "iproute2",
}


@dataclass(frozen=True)
class Request:
    """One line of a front's log. `connection` is the client's port."""

    protocol: str
    connection: str
    method: str
    uri: str
    agent: str


class Front(Programs):
    """A server of HTTP/2: the reference server at `/mcp`, the server for load elsewhere.

    `streams` is how many requests it takes on one connection at once; `keeps` tells whether a connection without a request
    stays open for more than 90 seconds, and `loses_calls`, that it ends connections without its responses to calls in flight.
    `most_requests` is how many requests a connection may carry, where that can be set.
    """

    name = None
    streams = None
    keeps = False
    loses_calls = False

    def __init__(self, directory, stack, certificates, reference, load, most_requests=1000):
        directory.mkdir()
        super().__init__(directory, stack)
        self.certificate, self.key = certificates.certificate("server"), certificates.key("server")
        self.authority, self.load = certificates.authority, load
        self.most_requests = most_requests
        self.upstreams = {"/mcp": f"127.0.0.1:{reference}", "/": f"127.0.0.1:{load}"}
        self.port = free_port()
        self.process = self.start()
        self.wait_for(self.name, self.port, [self.process])

    def url(self, path, host="127.0.0.1"):
        return f"https://{host}:{self.port}{path}"

    def counts(self):
        """How often each key was called at the server for load."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.load}/counts") as response:
            return json.load(response)

    def requests(self, mark):
        """The requests of mcp-ferry whose query is this mark, as far as they have ended."""
        found = [self.parse(line) for line in self.log(self.name).splitlines() if f"?{mark}" in line]
        return [request for request in found if request.uri.endswith(f"?{mark}") and request.agent.startswith("mcp-ferry/")]

    def parse(self, line):
        protocol, port, *others = line.split("|")
        return Request(protocol.removeprefix("HTTP/").removesuffix(".0"), port.rsplit(":", 1)[-1], *others)

    def signal(self, number):
        os.kill(self.process[1].pid, number)


class Nginx(Front):
    name, streams = "nginx", 128

    def start(self):
        locations = "".join(
            f"location {path} {{ proxy_pass http://{upstream}; }}\n" for path, upstream in self.upstreams.items()
        )
        places = "".join(
            f"{kind}_temp_path {self.directory}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        configuration = self.write("nginx.conf", f"""
            daemon off;
            user root;
            worker_processes 1;
            worker_shutdown_timeout 3s;
            pid {self.directory}/nginx.pid;
            error_log {self.directory}/nginx.error.log;
            events {{ worker_connections 4096; }}
            http {{
                log_format requests '$server_protocol|$remote_port|$request_method|$request_uri|$http_user_agent';
                access_log {self.directory}/nginx.log requests;
                {places}
                client_max_body_size 128m;
                proxy_buffering off;
                keepalive_requests {self.most_requests};
                server {{
                    listen {self.port} ssl http2;
                    ssl_certificate {self.certificate};
                    ssl_certificate_key {self.key};
                    {locations}
                }}
            }}""")  # fmt: skip
        return self.run("nginx", "/usr/sbin/nginx", "-c", configuration, "-p", self.directory)

    def reload(self):
        self.signal(signal.SIGHUP)


class Caddy(Front):
    name, streams, keeps = "caddy", 250, True

    def start(self):
        proxies = "\n".join(
            f"reverse_proxy {path}* {upstream} {{\n transport http {{\n keepalive off\n }}\n }}"
            for path, upstream in self.upstreams.items()
        )
        self.admin = f"unix/{self.directory}/admin.sock"
        self.configuration = self.write("Caddyfile", f"""
{{
    admin {self.admin}
    auto_https off
    grace_period 3s
    storage file_system {self.directory}/storage
    servers {{
        protocols h1 h2
    }}
}}
:{self.port} {{
    tls {self.certificate} {self.key}
    log {{
        output file {self.directory}/caddy.log
        format json
    }}
    {proxies}
}}
""")
        return self.run("caddy", "/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", self.configuration)

    def reload(self):
        to = ["--adapter", "caddyfile", "--config", self.configuration, "--address", self.admin, "--force"]
        subprocess.run(["/usr/bin/caddy", "reload", *to], check=True, capture_output=True)

    def parse(self, line):
        request = json.loads(line)["request"]
        agent = request["headers"].get("User-Agent", [""])[0]
        fields = request["proto"], request["remote_port"], request["method"], request["uri"], agent
        return super().parse("|".join(fields))


class Haproxy(Front):
    name, streams = "haproxy", 100

    def start(self):
        both = self.directory / "both.pem"
        both.write_text(self.certificate.read_text() + self.key.read_text())
        # Its time limits are those of Debian's configuration.
        configuration = self.write("haproxy.cfg", f"""
global
    log stdout len 2048 format raw local0
    hard-stop-after 3s
defaults
    mode http
    log global
    timeout connect 5000
    timeout client 50000
    timeout server 50000
    option http-server-close
    log-format "%HV|%cp|%HM|%HU|%[capture.req.hdr(0)]"
frontend tls
    bind :{self.port} ssl crt {both} alpn h2,http/1.1
    http-request capture req.hdr(user-agent) len 60
    use_backend reference if {{ path_beg /mcp }}
    default_backend load
backend reference
    server one {self.upstreams["/mcp"]}
backend load
    server one {self.upstreams["/"]}
""")
        return self.run("haproxy", "/usr/sbin/haproxy", "-W", "-f", configuration)

    def reload(self):
        self.signal(signal.SIGUSR2)

    def log(self, name):
        return (self.directory / f"{name}.out").read_text(errors="replace")


class Node(Front):
    """Node's own server with both servers in its process."""

    name, keeps = "node", True

    def start(self):
        return self.run("node", shutil.which("node"), HERE / "http2_node.mjs", str(self.port), self.certificate, self.key)

    def reload(self):
        self.signal(signal.SIGHUP)

    def log(self, name):
        return (self.directory / f"{name}.out").read_text(errors="replace")

    def counts(self):
        context = ssl.create_default_context(cafile=self.authority)
        with urllib.request.urlopen(self.url("/counts"), context=context) as response:
            return json.load(response)


class Hypercorn(Front):
    """It cannot reload. It ends a connection after so many requests, with GOAWAY, and drops the calls in flight."""

    name, streams, loses_calls = "hypercorn", 100, True
    application = "http2_hypercorn:forward"

    def start(self):
        self.write("hypercorn.toml", f"""
            bind = "0.0.0.0:{self.port}"
            certfile = "{self.certificate}"
            keyfile = "{self.key}"
            keep_alive_max_requests = {self.most_requests}
            accesslog = "{self.directory}/hypercorn.log"
            access_log_format = "%(H)s|%(h)s|%(m)s|%(Uq)s|%(a)s"
            """)
        upstreams = " ".join(f"{path}=http://{upstream}" for path, upstream in self.upstreams.items())
        environment = ["env", f"UPSTREAMS={upstreams}", f"PYTHONPATH={HERE}"]
        return self.run("hypercorn", *environment, PYTHON, "-m", "hypercorn", "-c", self.directory / "hypercorn.toml", self.application)

    def reload(self):
        pass

    def parse(self, line):
        return super().parse(line.split("] ")[-1])


class FastMcp(Hypercorn):
    """The server of the suite `python`."""

    application = "python_server:server.http_app(path='/mcp')"


FRONTS = [Nginx, Caddy, Haproxy, Node, Hypercorn]


def wait_until(true, seconds=5):
    """Whether this becomes true in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
