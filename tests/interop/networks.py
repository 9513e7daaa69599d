"""Anyone's network: is the server reached through it, and what does a person read when it is not?

    networks.py networks URL FERRY HOME

URL is the server behind everything that network_servers.py starts. Each case is one run of FERRY with its own arguments and
variables and nothing else in its environment. One that works shakes hands, lists the tools, calls one and ends in order; one
that does not answers the first message with the whole sentence that stands here. The sentences are printed at the end.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from network_servers import BEHIND_SQUID, PASSWORD, USER, Servers, install

PATIENCE = 30
LABEL, UPSTREAM, FERRY, HOME = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])


@dataclass
class Case:
    """One run. Without `sentence` it must work; `through` names the proxy that is to be asked."""

    name: str
    url: str
    args: list = field(default_factory=list)
    env: dict = field(default_factory=dict)
    sentence: str | None = None
    through: str | None = None


# What a person reads.

PROXY_DOWN = {"http": "", "https": ""}
REFUSED = {(n, h, k): "" for n in ("squid", "tinyproxy") for h in ("no password", "a wrong password") for k in ("http", "https")}
SOCKS_REFUSED = {(h, k): "" for h in ("no password", "a wrong password") for k in ("http", "https")}
FORBIDDEN = SILENT = UNTRUSTED_PROXY = NOT_HTTP_PROXY = OLD_TLS = UNKNOWN_ISSUER = EXPIRED = NOT_YET = WRONG_NAME = ""
NO_TLS = NO_SOCKET = NO_COOKIE = ""
NO_CLIENT_CERTIFICATE = {"nginx": "", "stunnel": ""}


class Session:
    """FERRY and a client that waits for each answer."""

    def __init__(self, case, home):
        home.mkdir()
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "MCP_FERRY_HOME": str(home / "ferry"), **case.env}
        self.ferry = subprocess.Popen(
            [FERRY, case.url, "--log-level", "debug", "--startup-wait", "20", "--patience", "1", *case.args],
            env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.watchdog = threading.Timer(PATIENCE, self.ferry.kill)
        self.watchdog.start()
        self.stderr = []
        self.reader = threading.Thread(target=lambda: self.stderr.extend(self.ferry.stderr))
        self.reader.start()
        self.stdout = []

    def send(self, **message):
        self.ferry.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        self.ferry.stdin.flush()

    def ask(self, number, method, **params):
        self.send(id=number, method=method, params=params)
        for line in self.ferry.stdout:
            self.stdout.append(line)
            message = json.loads(line)
            if message.get("id") == number and "method" not in message:
                return message
        raise AssertionError(f"no answer to {method}")

    def end(self):
        try:
            self.ferry.stdin.close()
        except BrokenPipeError:
            pass  # It has ended by itself, and its status tells why.
        self.stdout.extend(self.ferry.stdout)
        code = self.ferry.wait()
        self.watchdog.cancel()
        self.reader.join()
        return code


def attempt(case, home):
    """Runs a case; gives the sentence that a person saw, if there was one. Raises what was wrong."""
    session = Session(case, home)
    try:
        client = {"name": "interop", "version": "1"}
        answer = session.ask(1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        if "error" not in answer:
            session.send(method="notifications/initialized")
            answer = session.ask(2, "tools/list")
        if "error" not in answer:
            assert any(tool["name"] == "echo" for tool in answer["result"]["tools"]), f"no tool echo: {answer}"
            answer = session.ask(3, "tools/call", name="echo", arguments={"message": "ahoy"})
        if "error" not in answer:
            assert answer["result"]["content"] == [{"type": "text", "text": "Echo: ahoy"}], f"another answer: {answer}"
        code = session.end()
        said = answer.get("error", {}).get("message")
        assert code == 0, f"ended with {code} after {said!r}"
        told = [line for line in session.stdout + session.stderr if PASSWORD in line or "BEGIN" in line]
        assert not told, f"a secret was told: {told}"
        return said and same(said)
    except (AssertionError, ValueError, BrokenPipeError) as error:
        session.ferry.kill()
        session.end()
        raise AssertionError(f"{error}; stderr: {''.join(session.stderr[-3:])}") from error


def same(sentence):
    """What differs from run to run."""
    sentence = re.sub(r"(127\.0\.0\.1|localhost|\.test|\.example):\d+", r"\1:PORT", sentence)
    return re.sub(re.escape(str(HOME)) + r"[^\s,;]*/", "DIRECTORY/", sentence)


def check(case, home, servers):
    before = servers.seen(case.through)
    said = attempt(case, home)
    assert said == case.sentence, f"it said {said!r}, and should have said {case.sentence!r}"
    deadline = time.monotonic() + 5
    while case.through and servers.seen(case.through) == before:
        assert time.monotonic() < deadline, f"{case.through} was not asked"
        time.sleep(0.01)
    return said


def proxies(servers, trusted):
    port = servers.port
    plain, tls = UPSTREAM, f"https://localhost:{port['https']}/mcp"
    known = f"{USER}:{PASSWORD}@"

    def at(name, scheme="http", who=""):
        return f"{scheme}://{who}127.0.0.1:{port[name]}"

    for kind, url in {"http": plain, "https": tls}.items():
        for name in ("squid", "tinyproxy"):
            yield Case(f"{name}, {kind}", url, [*trusted, "--proxy", at(name)], through=name)
            with_password = [*trusted, "--proxy", at(f"{name}-password", who=known)]
            yield Case(f"{name} with a password, {kind}", url, with_password, through=name)
        for variable in (f"{kind}_proxy", f"{kind.upper()}_PROXY", "ALL_PROXY", "all_proxy", "MCP_FERRY_PROXY"):
            yield Case(f"{variable}, {kind}", url, trusted, {variable: at("tinyproxy")}, through="tinyproxy")
        yield Case(f"a proxy without a scheme, {kind}", url, [*trusted, "--proxy", at("squid").removeprefix("http://")], through="squid")
        dead = {"HTTP_PROXY": at("nobody"), "HTTPS_PROXY": at("nobody")}
        host = urlsplit(url).hostname
        for listed in (host, "*", f"elsewhere.example, {host}"):
            yield Case(f"NO_PROXY={listed}, {kind}", url, trusted, dead | {"NO_PROXY": listed})
        yield Case(f"--no-proxy {host}, {kind}", url, [*trusted, "--no-proxy", host], dead)
        yield Case(f"--no-proxy '*' before --proxy, {kind}", url, [*trusted, "--no-proxy", "*", "--proxy", at("nobody")])
        yield Case(f"--proxy before HTTP_PROXY, {kind}", url, [*trusted, "--proxy", at("squid")], dead, through="squid")
        yield Case(f"nobody at the proxy's address, {kind}", url, trusted, dead, PROXY_DOWN[kind])
        for name in ("squid", "tinyproxy"):
            for how, who in {"no password": "", "a wrong password": f"{USER}:wrong@"}.items():
                proxy = ["--proxy", at(f"{name}-password", who=who)]
                yield Case(f"{name}, {how}, {kind}", url, [*trusted, *proxy], sentence=REFUSED[name, how, kind])
        for proxy in ("https-proxy", "https-proxy-password"):
            who = known if proxy.endswith("password") else ""
            yield Case(f"{proxy}, {kind}", url, [*trusted, "--proxy", at(proxy, "https", who)], through="stunnel")
        for scheme in ("socks5", "socks5h"):
            yield Case(f"danted, {scheme}, {kind}", url, [*trusted, "--proxy", at("danted", scheme)], through="danted")
            with_password = [*trusted, "--proxy", at("microsocks", scheme, known)]
            yield Case(f"microsocks with a password, {scheme}, {kind}", url, with_password, through="microsocks")
        yield Case(f"SOCKS from ALL_PROXY, {kind}", url, trusted, {"ALL_PROXY": at("danted", "socks5h")}, through="danted")
        for how, who in {"no password": "", "a wrong password": f"{USER}:wrong@"}.items():
            proxy = ["--proxy", at("microsocks", "socks5h", who)]
            yield Case(f"microsocks, {how}, {kind}", url, [*trusted, *proxy], sentence=SOCKS_REFUSED[how, kind])

    tunnel = ["--proxy", at("squid")]
    behind = f"https://{BEHIND_SQUID}:{port['https']}/mcp"
    yield Case("a name that only the proxy knows", behind, [*trusted, *tunnel], through="squid")
    forbidden = "https://forbidden.example.test/mcp"
    yield Case("a host that the proxy forbids", forbidden, [*trusted, *tunnel], sentence=FORBIDDEN)
    silent = ["--proxy", at("silent"), "--connect-timeout", "1"]
    yield Case("a proxy that says nothing", tls, [*trusted, *silent], sentence=SILENT)
    yield Case("an https proxy that nobody vouches for", tls, ["--proxy", at("https-proxy", "https")], sentence=UNTRUSTED_PROXY)
    yield Case("an https proxy spoken to in http", tls, [*trusted, "--proxy", at("https-proxy")], sentence=NOT_HTTP_PROXY)


def authorities(servers, certificates):
    def at(name):
        return f"https://localhost:{servers.port[name]}/mcp"

    authority, https = str(certificates.authority), at("https")
    yield Case("--ca-cert", https, ["--ca-cert", authority])
    for variable in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "MCP_FERRY_CA_CERT"):
        yield Case(variable, https, env={variable: authority})
    yield Case("SSL_CERT_DIR", https, env={"SSL_CERT_DIR": str(certificates.directory / "hashed")})
    also = {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt", "NODE_EXTRA_CA_CERTS": authority}
    yield Case("NODE_EXTRA_CA_CERTS beside SSL_CERT_FILE", https, env=also)
    yield Case("--ca-cert beside SSL_CERT_FILE", https, ["--ca-cert", authority], {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})
    yield Case("TLS 1.2", at("tls12"), ["--ca-cert", authority])
    yield Case("TLS 1.1", at("tls10"), ["--ca-cert", authority], sentence=OLD_TLS)
    yield Case("an unknown issuer", https, sentence=UNKNOWN_ISSUER)
    yield Case("an expired certificate", at("expired"), ["--ca-cert", authority], sentence=EXPIRED)
    yield Case("a certificate of the future", at("not-yet"), ["--ca-cert", authority], sentence=NOT_YET)
    yield Case("another host's certificate", at("elsewhere"), ["--ca-cert", authority], sentence=WRONG_NAME)
    plain = UPSTREAM.replace("http://", "https://")
    yield Case("https to a server of http", plain, ["--ca-cert", authority], sentence=NO_TLS)


def clients(servers, certificates, trusted):
    nginx, strict = (f"https://localhost:{servers.port[name]}/mcp" for name in ("mutual", "mutual-handshake"))
    for server, url in {"nginx": nginx, "stunnel": strict}.items():
        for name in ("pkcs8", "sec1", "pkcs1"):
            pair = ["--client-cert", certificates.certificate(name), "--client-key", certificates.key(name)]
            yield Case(f"a client's certificate, {name}, {server}", url, [*trusted, *pair])
        yield Case(f"a client's certificate and key in one file, {server}", url, [*trusted, "--client-cert", certificates.directory / "both.pem"])
        yield Case(f"no client's certificate, {server}", url, trusted, sentence=NO_CLIENT_CERTIFICATE[server])


def sockets(servers):
    yield Case("--unix-socket", "http://localhost/mcp", ["--unix-socket", servers.socket])
    yield Case("unix:", f"unix://{servers.socket}#/mcp")
    yield Case("a socket where nobody listens", f"unix://{servers.directory}/nobody.sock#/mcp", sentence=NO_SOCKET)
    sticky = f"http://127.0.0.1:{servers.port['sticky']}/mcp"
    yield Case("a balancer's cookie", sticky)
    yield Case("--disable-cookies before a balancer", sticky, ["--disable-cookies"], sentence=NO_COOKIE)
    yield Case("--ipv4", f"https://localhost:{servers.port['https']}/mcp", ["--ipv4", "--ca-cert", servers.certificates.authority])


def cases(servers):
    trusted = ["--ca-cert", servers.certificates.authority]
    yield from proxies(servers, trusted)
    yield from authorities(servers, servers.certificates)
    yield from clients(servers, servers.certificates, trusted)
    yield from sockets(servers)


def manners(servers):
    """What nginx wrote down about all these requests."""
    requests = [line.split("|") for line in servers.log("nginx").splitlines()]
    assert len(requests) > 20, f"nginx saw {len(requests)} requests"
    compressed = {encoding for _, _, encoding, *_ in requests} - {"-", "identity"}
    assert not compressed, f"compression was asked for: {compressed}"
    agents = {agent for *_, agent in requests}
    assert all(agent.startswith("mcp-ferry/") for agent in agents), f"as {agents}"
    old = {version for port, _, _, version, *_ in requests if port == str(servers.port["tls12"])}
    assert old == {"TLSv1.2"}, f"TLS 1.2 was {old}"
    subjects = {subject for _, _, _, _, subject, *_ in requests}
    assert {"CN=pkcs8", "CN=sec1", "CN=pkcs1"} <= subjects, f"clients' certificates: {subjects}"


def main():
    install()
    failed = 0
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        # Squid and danted work as users of their own.
        os.chmod(directory, 0o755)
        servers = Servers(Path(directory), stack, urlsplit(UPSTREAM).port)
        said = {}
        for number, case in enumerate(cases(servers)):
            try:
                said[case.name] = check(case, HOME / str(number), servers)
                print(f"ok {LABEL}: {case.name}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"FAILED {LABEL}: {case.name}: {error}", flush=True)
        try:
            manners(servers)
            print(f"ok {LABEL}: no compression, and our name")
        except AssertionError as error:
            failed += 1
            print(f"FAILED {LABEL}: no compression, and our name: {error}")
    for name, sentence in said.items():
        if sentence:
            print(f"| {name}: {sentence}")
    sys.exit(1 if failed else 0)


main()
