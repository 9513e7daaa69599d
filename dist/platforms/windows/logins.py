"""Logs mcp-ferry.exe in to a server, once for each place where Windows can store a login."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

TOKEN = "token-of-wine"


class Server(BaseHTTPRequestHandler):
    """An MCP server that requires a login, and its authorization server, which asks for no password."""

    protocol_version = "HTTP/1.1"

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, status, document=None, **headers):
        body = json.dumps(document).encode() if document is not None else b""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        path = urlsplit(self.path).path
        if path.startswith("/.well-known/oauth-protected-resource"):
            return self.answer(200, {"resource": f"{self.origin}/mcp", "authorization_servers": [self.origin]})
        if path == "/.well-known/oauth-authorization-server":
            return self.answer(
                200,
                {
                    "issuer": self.origin,
                    **{f"{name}_endpoint": f"{self.origin}/{name}" for name in ["authorization", "token", "registration"]},
                    "response_types_supported": ["code"],
                    "code_challenge_methods_supported": ["S256"],
                    "token_endpoint_auth_methods_supported": ["none"],
                },
            )
        if path == "/authorization":
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            back = urlencode({"code": "code-of-wine", "state": asked["state"], "iss": self.origin})
            return self.answer(302, Location=f"{asked['redirect_uri']}?{back}")
        self.answer(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/registration":
            return self.answer(201, json.loads(body) | {"client_id": "client-of-wine"})
        if self.path == "/token":
            # Longer than one entry of the Credential Manager.
            return self.answer(
                200,
                {
                    "access_token": TOKEN,
                    "token_type": "Bearer",
                    "expires_in": 3600,
                    "refresh_token": "r" * 4000,
                },
            )
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            where = f"{self.origin}/.well-known/oauth-protected-resource/mcp"
            return self.answer(401, WWW_Authenticate=f'Bearer resource_metadata="{where}"')
        message = json.loads(body)
        if "id" not in message:
            return self.answer(202)
        result = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "serverInfo": {"name": "behind-a-login", "version": "1"},
        }
        self.answer(200, {"jsonrpc": "2.0", "id": message["id"], "result": result})

    do_DELETE = do_GET

    def log_message(self, *_):
        pass


def check(start, home, expect):
    """`start` starts the program with these arguments and variables; `home` is a folder for its files."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/mcp"
    for kept_in in ["file", "keychain"]:
        folder = home / kept_in
        variables = {"MCP_FERRY_HOME": "Z:" + str(folder).replace("/", "\\"), "MCP_FERRY_TOKEN_STORE": kept_in}

        def run(*arguments, text="", variables=variables):
            program = start(arguments, variables)
            stdout, stderr = program.communicate(text, timeout=60)
            return program.returncode, stdout, stderr

        login = start(["login", url, "--no-browser", "--json"], variables)
        watchdog = threading.Timer(60, login.kill)
        watchdog.start()
        event = json.loads(login.stdout.readline() or "{}")
        page = urlopen(event["url"], timeout=30).status if "url" in event else None
        stdout, stderr = login.communicate(timeout=60)
        watchdog.cancel()
        expect(f"{kept_in}: a login succeeds", (page, login.returncode) == (200, 0), f"{event} {page} {stdout} {stderr}")

        code, stdout, stderr = run("status", "--json")
        signed_in = [login["loggedIn"] for login in json.loads(stdout or "{}").get("logins", [])]
        expect(f"{kept_in}: status shows it", (code, signed_in) == (0, [True]), stdout + stderr)
        kept = "".join(file.read_text(errors="replace") for file in (folder / "logins").glob("*.json"))
        expect(f"{kept_in}: the token is in the right store", (TOKEN in kept) == (kept_in == "file"), kept)

        client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "check", "version": "1"}}
        first = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client})
        code, stdout, stderr = run(url, "--log-file", variables["MCP_FERRY_HOME"] + "\\log", text=first + "\n")
        expect(f"{kept_in}: the bridge uses it", code == 0 and "behind-a-login" in stdout, stdout + stderr)
        expect(f"{kept_in}: the bridge writes its log", (folder / "log").exists(), "no file")

        code, stdout, stderr = run("logout", url)
        expect(f"{kept_in}: logout deletes it", code == 0, stdout + stderr)
        code, stdout, stderr = run("status")
        expect(f"{kept_in}: nobody is signed in", "nobody is signed in" in stdout, stdout + stderr)
