"""Is a login kept in GNOME Keyring, over a session bus of its own, and what follows where that is locked or missing?

Arguments: a name, the program, a home directory. The program is started again on the private bus, with `inside`.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PACKAGES = {"/usr/bin/gnome-keyring-daemon": "gnome-keyring", "/usr/bin/dbus-run-session": "dbus"}
KEYRING = "/org/freedesktop/secrets"


def check(name, passed, evidence=""):
    print(f"{'ok' if passed else 'FAILED'} keychain: {name}", flush=True)
    if not passed:
        print(evidence, file=sys.stderr, flush=True)


class Servers(BaseHTTPRequestHandler):
    """An MCP server and the authorization server that it trusts, which logs in whoever asks for a code."""

    token = "access-" + "secret" * 20
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, value, status=200, **headers):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        if value is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        origin = f"http://127.0.0.1:{self.server.server_port}"
        if "oauth-protected-resource" in self.path:
            self.answer({"resource": f"{origin}/mcp", "authorization_servers": [origin]})
        elif "oauth-authorization-server" in self.path:
            paths = {"registration": "register", "token": "token", "device_authorization": "device", "authorization": "page"}
            endpoints = {f"{name}_endpoint": f"{origin}/{path}" for name, path in paths.items()}
            self.answer({"issuer": origin, **endpoints, "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]})
        else:
            self.answer(None, 405)

    def do_DELETE(self):
        self.answer(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        origin = f"http://127.0.0.1:{self.server.server_port}"
        if self.path == "/register":
            self.answer({"client_id": "a-client", **json.loads(body)}, 201)
        elif self.path == "/device":
            self.answer({"device_code": "d", "user_code": "AB-12", "verification_uri": f"{origin}/page", "expires_in": 60, "interval": 1})
        elif self.path == "/token":
            self.answer({"access_token": Servers.token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh-" + Servers.token})
        elif self.headers.get("Authorization") != f"Bearer {Servers.token}":
            self.answer(None, 401, WWW_Authenticate=f'Bearer resource_metadata="{origin}/.well-known/oauth-protected-resource"')
        else:
            self.message(json.loads(body))

    def message(self, message):
        results = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "kept", "version": "1"}},
            "tools/list": {"tools": [{"name": "look", "inputSchema": {"type": "object"}}]},
        }
        if "id" not in message:
            return self.answer(None, 202)
        self.answer({"jsonrpc": "2.0", "id": message["id"], "result": results.get(message["method"], {})})


def run(ferry, home, *arguments, stdin="", environment=None):
    environment = {**os.environ, "HOME": str(home), "MCP_FERRY_HOME": str(home / "ferry"), **(environment or {})}
    began = time.monotonic()
    ran = subprocess.run([ferry, *arguments], input=stdin, capture_output=True, text=True, env=environment, timeout=150)
    return ran.returncode, ran.stdout, ran.stderr, time.monotonic() - began


def kept(home):
    return "".join(path.read_text(errors="replace") for path in (home / "ferry").rglob("*") if path.is_file())


def call(path, method, *arguments):
    command = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets", path, method, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout


def entries():
    found = call(KEYRING, "org.freedesktop.Secret.Service.SearchItems", "dict:string:string:service,mcp-ferry")
    return len(re.findall(r"object path", found))


def serve():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Servers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/mcp"


def without_bus(ferry, home):
    options = ["--token-store", "keychain"]
    nowhere = {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/nothing", "XDG_RUNTIME_DIR": str(home)}
    code, out, err, took = run(ferry, home, "login", serve(), "--device", *options, environment=nowhere)
    said = "no session bus" in err and "--token-store file" in err
    check("without a bus the login ends at once, with the cure", code == 1 and said and took < 10, f"{code} {took} {out}{err}")
    check("nobody was asked to sign in for nothing", "AB-12" not in err, err)


def wait_for_keyring():
    """It takes its name on the bus some time after its start; a call before that would start another one."""
    owner = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.GetNameOwner"]
    deadline = time.monotonic() + 30
    while subprocess.run([*owner, "string:org.freedesktop.secrets"], capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise RuntimeError("GNOME Keyring does not start")
        time.sleep(0.05)


def inside(ferry, home):
    wait_for_keyring()
    url, options = serve(), ["--token-store", "keychain"]
    login = lambda *more: run(ferry, home, "login", url, "--device", *options, *more)  # noqa: E731
    code, out, err, _ = login()
    check("a login is kept", code == 0 and entries() > 0, f"{code} {out}{err} {entries()}")
    check("no secret of it is in a file", Servers.token not in kept(home) and '"keychain"' in kept(home), kept(home))
    code, out, err, _ = run(ferry, home, "status", url, *options)
    check("status finds it", code == 0 and "signed in" in out, f"{code} {out}{err}")
    code, out, err, _ = run(ferry, home, "status")
    check("the list of logins has it, without options", url in out and "signed in" in out, out + err)
    code, out, err, _ = run(ferry, home, "tools", url, *options)
    check("a request uses it", (code, out) == (0, "look()\n"), f"{code} {out}{err}")
    few = entries()
    Servers.token = "access-" + "longer" * 2000
    code, out, err, _ = login("--force")
    many = entries()
    check("a long token is kept in more entries", code == 0 and many > few, f"{code} {few} {many} {out}{err}")
    check("and is the same when it is read", run(ferry, home, "tools", url, *options)[1] == "look()\n")
    Servers.token = "access-short"
    login("--force")
    check("what a longer one left is removed", entries() == few, f"{entries()} {few}")

    before = run(ferry, home, "status", url, *options)[0]
    code, out, err, _ = run(ferry, home, "logout", url, *options)
    after = run(ferry, home, "status", url, *options)[0]
    check("a logout ends it", (before, code, after) == (0, 0, 4), f"{before} {code} {after} {out}{err}")
    check("no secret is left", Servers.token not in kept(home) and entries() <= few, f"{entries()} {kept(home)}")

    login()
    collection = re.search(r'object path "([^"]+)"', call(KEYRING, "org.freedesktop.Secret.Service.ReadAlias", "string:default"))[1]
    call(KEYRING, "org.freedesktop.Secret.Service.Lock", f"array:objpath:{collection}")
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    lines = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize}) + "\n"
    code, out, err, took = run(ferry, home, url, *options, stdin=lines)
    answered = [json.loads(line) for line in out.splitlines()]
    check("a bridge answers though it is locked, and soon", [line.get("id") for line in answered] == [1] and took < 15, f"{took} {out}{err}")
    check("it says so", "locked" in out + err, out + err)
    code, out, err, took = run(ferry, home, "status", url, *options)
    check("status says that it is locked, and how to go on", code == 1 and "it is locked" in err and "hint:" in err, f"{code} {out}{err}")
    code, out, err, took = login()
    check("a login that nobody unlocks is an error", code == 1 and "locked" in err, f"{code} {took} {out}{err}")
    code, out, err, _ = run(ferry, home, "logout", url, *options)
    check("a logout that cannot remove it says so", code == 1 and "it is locked" in err, f"{code} {out}{err}")


def main():
    _, name, ferry, home = sys.argv[:4]
    home = Path(home)
    if name == "inside":
        return inside(ferry, home)
    without_bus(ferry, home)
    script = 'printf password | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$@"'
    command = ["dbus-run-session", "--", "sh", "-c", script, "sh", sys.executable, __file__, "inside", ferry, home / "bus"]
    (home / "bus/run").mkdir(parents=True, mode=0o700, exist_ok=True)
    places = {"HOME": str(home / "bus"), "XDG_RUNTIME_DIR": str(home / "bus/run")}
    sys.exit(subprocess.run(command, env=os.environ | places).returncode)


if __name__ == "__main__":
    main()
