"""Which programs stand between mcp-ferry and the server, and how does each start?

All of them from Debian, each with a configuration of its own in one directory, on ports of its own, and ended with the run.
"""

import os
import shutil
import socket
import subprocess
import threading

from certificates import Certificates
from programs import Programs, free_port

PACKAGES = {
    "/usr/sbin/squid": "squid",
    "/usr/bin/tinyproxy": "tinyproxy",
    "/usr/sbin/danted": "dante-server",
    "/usr/bin/microsocks": "microsocks",
    "/usr/sbin/nginx": "nginx",
    "/usr/bin/stunnel4": "stunnel4",
    "/usr/bin/openssl": "openssl",
}
USER, PASSWORD = "ada", "marked-proxy-password"
# A host name that only squid resolves, which shows that the proxy resolves names.
BEHIND_SQUID = "server.example.test"


class Servers(Programs):
    """All programs, running, with their ports by name in `port`."""

    def __init__(self, directory, stack, upstream_port):
        super().__init__(directory, stack)
        self.upstream = f"127.0.0.1:{upstream_port}"
        self.address = own_address()
        ours = f"DNS:localhost,DNS:{BEHIND_SQUID},IP:127.0.0.1,IP:{self.address}"
        self.certificates = Certificates(directory / "certificates", ours)
        self.port = {}
        self.socket = directory / "mcp.sock"
        starting = [self.nginx(), self.squid(), self.danted()]
        starting += [self.tinyproxy("tinyproxy"), self.tinyproxy("tinyproxy-password", f"BasicAuth {USER} {PASSWORD}")]
        starting += [self.microsocks(), self.stunnel()]
        self.silent()
        self.port["closed"] = free_port()
        for name, port in self.port.items():
            if name != "closed":
                self.wait_for(name, port, starting)

    def nginx(self):
        """The servers: valid and invalid TLS, a unix socket, a load balancer with a cookie. All lead to the same MCP server."""
        kinds = {
            "https": ("server", ""),
            "expired": ("expired", ""),
            "not-yet": ("not-yet", ""),
            "elsewhere": ("elsewhere", ""),
            "tls12": ("server", "ssl_protocols TLSv1.2;"),
            "tls11": ("server", "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;"),
            "mutual": ("server", f"ssl_client_certificate {self.certificates.authority}; ssl_verify_client on;"),
        }
        servers = ""
        for kind, (certificate, extra) in kinds.items():
            self.port[kind] = free_port()
            servers += f"""
                server {{
                    listen 127.0.0.1:{self.port[kind]} ssl;
                    listen {self.address}:{self.port[kind]} ssl;
                    ssl_certificate {self.certificates.certificate(certificate)};
                    ssl_certificate_key {self.certificates.key(certificate)};
                    {extra}
                    location / {{ proxy_pass http://{self.upstream}; }}
                }}"""
        self.port["sticky"], self.port["stranger"] = free_port(), free_port()
        configuration = self.write("nginx.conf", f"""
            daemon off;
            master_process off;
            user root;
            worker_processes 1;
            pid {self.directory}/nginx.pid;
            error_log {self.directory}/nginx.error.log;
            events {{}}
            http {{
                log_format requests '$server_port|$request_method|$http_accept_encoding|$ssl_protocol|$ssl_client_s_dn|$http_cookie|$http_user_agent';
                access_log {self.directory}/nginx.log requests;
                client_body_temp_path {self.directory}/nginx.body;
                proxy_temp_path {self.directory}/nginx.proxy;
                fastcgi_temp_path {self.directory}/nginx.fastcgi;
                uwsgi_temp_path {self.directory}/nginx.uwsgi;
                scgi_temp_path {self.directory}/nginx.scgi;
                proxy_buffering off;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                gzip on;
                gzip_min_length 1;
                gzip_types application/json text/event-stream;
                {servers}
                # Two servers. A request with the cookie reaches the server of the session; a request without it reaches the server
                # that does not have the session.
                map "$cookie_berth:$http_mcp_session_id" $berth {{
                    "~^one:" one;
                    "~:." two;
                    default one;
                }}
                map $berth $behind {{
                    one {self.upstream};
                    two 127.0.0.1:{self.port["stranger"]};
                }}
                server {{
                    listen 127.0.0.1:{self.port["sticky"]};
                    location / {{
                        add_header Set-Cookie "berth=$berth; Path=/; HttpOnly" always;
                        proxy_pass http://$behind;
                    }}
                }}
                server {{
                    listen 127.0.0.1:{self.port["stranger"]};
                    location / {{ return 404 '{{"jsonrpc":"2.0","error":{{"code":-32001,"message":"Session not found"}},"id":null}}'; }}
                }}
                server {{
                    listen unix:{self.socket};
                    location / {{ proxy_pass http://{self.upstream}; }}
                }}
            }}""")  # fmt: skip
        return self.run("nginx", "/usr/sbin/nginx", "-c", configuration, "-p", self.directory)

    def squid(self):
        """One proxy with two ports: `squid` is open, `squid-password` requires a password."""
        self.port["squid"], self.port["squid-password"] = free_port(), free_port()
        own = self.directory / "squid"
        own.mkdir()
        digest = subprocess.run(["/usr/bin/openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True)
        (own / "passwords").write_text(f"{USER}:{digest.stdout}")
        (own / "hosts").write_text(f"127.0.0.1 localhost {BEHIND_SQUID}\n")
        (own / "squid.conf").write_text(f"""
http_port 127.0.0.1:{self.port["squid"]}
http_port 127.0.0.1:{self.port["squid-password"]}
acl open localport {self.port["squid"]}
acl forbidden dstdomain forbidden.example.test
auth_param basic program /usr/lib/squid/basic_ncsa_auth {own}/passwords
auth_param basic children 1 startup=1 idle=1
auth_param basic realm harbour
acl known proxy_auth REQUIRED
http_access deny forbidden
http_access allow open
http_access allow known
http_access deny all
hosts_file {own}/hosts
cache deny all
access_log stdio:{own}/access.log
cache_log {own}/cache.log
pid_filename none
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname harbour
""")
        # Squid, started as root, runs as another user, who must be able to read these files.
        if os.geteuid() == 0:
            for path in (own, *own.iterdir()):
                shutil.chown(path, "proxy", "proxy")
        return self.run("squid", "/usr/sbin/squid", "-N", "-f", own / "squid.conf")

    def tinyproxy(self, name, *lines):
        self.port[name] = free_port()
        configuration = [
            f"Port {self.port[name]}", "Listen 127.0.0.1", "Timeout 600", f'LogFile "{self.directory}/{name}.log"',
            "LogLevel Connect", "MaxClients 50", "Allow 127.0.0.1", *lines,
        ]  # fmt: skip
        path = self.write(f"{name}.conf", "\n".join(configuration) + "\n")
        return self.run(name, "/usr/bin/tinyproxy", "-d", "-c", path)

    def danted(self):
        self.port["danted"] = free_port()
        path = self.write("danted.conf", f"""
logoutput: {self.directory}/danted.log
internal: 127.0.0.1 port = {self.port["danted"]}
external: lo
clientmethod: none
socksmethod: none
user.privileged: root
user.unprivileged: nobody
client pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 }}
socks pass {{ from: 127.0.0.0/8 to: 0.0.0.0/0 log: connect error }}
""")
        return self.run("danted", "/usr/sbin/danted", "-f", path, "-p", self.directory / "danted.pid")

    def microsocks(self):
        """SOCKS5 with a password. danted only accepts passwords of the machine's users."""
        self.port["microsocks"] = free_port()
        port = str(self.port["microsocks"])
        return self.run("microsocks", "/usr/bin/microsocks", "-i", "127.0.0.1", "-p", port, "-u", USER, "-P", PASSWORD)

    def stunnel(self):
        """TLS in front of tinyproxy, which makes an https proxy, and a server that requires a client certificate."""
        certificate, key = self.certificates.certificate("server"), self.certificates.key("server")
        text = f"foreground = yes\npid =\nsyslog = no\noutput = {self.directory}/stunnel.log\ncert = {certificate}\nkey = {key}\n"
        for name, behind in (("https-proxy", "tinyproxy"), ("https-proxy-password", "tinyproxy-password")):
            self.port[name] = free_port()
            text += f"[{name}]\naccept = 127.0.0.1:{self.port[name]}\nconnect = 127.0.0.1:{self.port[behind]}\n"
        # nginx accepts the handshake and refuses over HTTP; this one ends the handshake.
        self.port["mutual-handshake"] = free_port()
        text += f"[mutual-handshake]\naccept = 127.0.0.1:{self.port['mutual-handshake']}\nconnect = {self.upstream}\n"
        text += f"verifyChain = yes\nCAfile = {self.certificates.authority}\n"
        return self.run("stunnel", "/usr/bin/stunnel4", self.write("stunnel.conf", text))

    def silent(self):
        """A proxy that accepts every connection and never responds."""
        listener = self.stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        self.port["silent"] = listener.getsockname()[1]
        held = []

        def accept():
            while True:
                try:
                    held.append(listener.accept())
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()

    def seen(self, proxy):
        """The log of a proxy about the requested hosts."""
        if proxy is None:
            return ""
        if proxy == "microsocks":
            return (self.directory / "microsocks.out").read_text(errors="replace")
        return self.log("squid/access" if proxy.startswith("squid") else proxy)


def own_address():
    """This machine's network address: a proxy of the environment is never used for the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Nothing is sent.
        except OSError as error:
            raise SystemExit(f"networks: this machine needs an address besides the loopback: {error}") from error
        return probe.getsockname()[0]
