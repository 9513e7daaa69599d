"""What does a small MCP server look like that can require a login, come late, go away, and refuse?"""

import base64
import hashlib
import json
import secrets
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

SCHEMA = {"type": "object", "properties": {"message": {"type": "string"}}, "required": ["message"]}
TOOL = {"name": "echo", "description": "Returns the message.", "inputSchema": SCHEMA}


class Listener(ThreadingHTTPServer):
    daemon_threads, allow_reuse_address, request_queue_size = True, True, 64

    def get_request(self):
        connection, address = super().get_request()
        self.target.connections.add(connection)
        return connection, address

    def shutdown_request(self, request):
        self.target.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        pass


class Target:
    """The server. `login`: only with a token that its own authorization server gave; `token`: only with this one."""

    def __init__(self, login=False, token=None):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        self.login, self.token, self.slow, self.late = login, token, 0, 0
        self.connections, self.sessions, self.tokens, self.codes = set(), set(), set(), {}
        self.calls, self.logins, self.listener = [], [], None
        self.asked = []  # the methods, in their order

    def url(self, path="/mcp"):
        return self.origin + path

    def start(self):
        self.sessions.clear()
        self.listener = None
        deadline = time.monotonic() + 10
        while not self.listener:
            try:
                self.listener = Listener(("127.0.0.1", self.port), Handler)
            except OSError:  # another program's connection may use the port for a moment
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.listener.target = self
        threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        listener, self.listener = self.listener, None
        if not listener:
            return
        listener.shutdown()
        listener.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.connections.clear()

    def forget_logins(self):
        """Access and refresh tokens are no longer good for anything."""
        self.tokens.clear()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    @property
    def target(self):
        return self.server.target

    def do_GET(self):
        path = urlsplit(self.path).path
        origin = self.target.origin
        if self.target.login and path == "/.well-known/oauth-protected-resource/mcp":
            return self.reply(200, {"resource": self.target.url(), "authorization_servers": [origin]})
        if self.target.login and path == "/.well-known/oauth-authorization-server":
            places = {"authorization": "authorize", "token": "token", "registration": "register"}
            metadata = {"issuer": origin} | {f"{name}_endpoint": f"{origin}/{path}" for name, path in places.items()}
            metadata |= {"response_types_supported": ["code"], "grant_types_supported": ["authorization_code", "refresh_token"]}
            metadata |= {"code_challenge_methods_supported": ["S256"], "token_endpoint_auth_methods_supported": ["none"]}
            return self.reply(200, metadata)
        if self.target.login and path == "/authorize":
            return self.authorize({key: value[0] for key, value in parse_qs(urlsplit(self.path).query).items()})
        if path == "/mcp":
            return self.reply(405, {"error": "no stream"})
        return self.nothing()

    def do_DELETE(self):
        self.target.sessions.discard(self.headers.get("mcp-session-id"))
        self.reply(200, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        if self.target.login and self.path == "/register":
            return self.reply(201, json.loads(body) | {"client_id": "somebody", "client_id_issued_at": 1})
        if self.target.login and self.path == "/token":
            return self.give_tokens({key: value[0] for key, value in parse_qs(body).items()})
        if self.path != "/mcp":
            return self.nothing()
        bearer = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if self.target.login and bearer not in self.target.tokens:
            where = f'Bearer resource_metadata="{self.target.origin}/.well-known/oauth-protected-resource/mcp"'
            return self.reply(401, {"error": "invalid_token"}, {"WWW-Authenticate": where})
        if self.target.token and bearer != self.target.token:
            return self.reply(401, {"error": "invalid_token"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return self.mcp(json.loads(body))

    def authorize(self, query):
        code = secrets.token_urlsafe()
        self.target.codes[code] = query["code_challenge"]
        answer = urlencode({"code": code, "state": query["state"]})
        self.reply(302, {}, {"Location": f"{query['redirect_uri']}?{answer}"})

    def give_tokens(self, form):
        if form["grant_type"] == "refresh_token":
            good = form["refresh_token"] in self.target.tokens
        else:
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            good = self.target.codes.pop(form["code"], None) == challenge
            self.target.logins.append(time.monotonic())
        if not good:
            return self.reply(400, {"error": "invalid_grant"})
        given = [secrets.token_urlsafe(), secrets.token_urlsafe()]
        self.target.tokens.update(given)
        tokens = {"access_token": given[0], "refresh_token": given[1], "token_type": "Bearer", "expires_in": 3600}
        return self.reply(200, tokens)

    def mcp(self, message):
        method, headers = message.get("method"), {}
        self.target.asked.append(method)
        if "id" not in message:
            return self.reply(202, None)
        if method == "initialize":
            time.sleep(self.target.late)
            session = headers["Mcp-Session-Id"] = secrets.token_urlsafe()
            self.target.sessions.add(session)
            version = min(message["params"]["protocolVersion"], "2025-11-25")
            result = {"protocolVersion": version, "capabilities": {"tools": {"listChanged": True}}}
            result["serverInfo"] = {"name": "target", "version": "1.0.0"}
        elif self.headers.get("mcp-session-id") not in self.target.sessions:
            return self.reply(404 if self.headers.get("mcp-session-id") else 400, self.failure(message, -32000, "no such session"))
        elif method == "ping":
            result = {}
        elif method == "tools/list":
            result = {"tools": [TOOL]}
        elif method == "tools/call" and message["params"]["name"] == "echo":
            self.target.calls.append(time.monotonic())
            time.sleep(self.target.slow)
            words = message["params"].get("arguments", {}).get("message", "")
            result = {"content": [{"type": "text", "text": f"Echo: {words}"}]}
        elif method == "tools/call":
            name = message["params"]["name"]
            result = {"content": [{"type": "text", "text": f"Tool {name} not found"}], "isError": True}
        else:
            return self.reply(200, self.failure(message, -32601, "Method not found"))
        return self.reply(200, {"jsonrpc": "2.0", "id": message["id"], "result": result}, headers)

    def failure(self, message, code, words):
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": words}}

    def nothing(self):
        page = f"<!DOCTYPE html><html><body><pre>Cannot {self.command} {urlsplit(self.path).path}</pre></body></html>"
        self.write(404, "text/html; charset=utf-8", page, {})

    def reply(self, status, body, headers={}):
        self.write(status, "application/json", "" if body is None else json.dumps(body), headers)

    def write(self, status, kind, content, headers):
        self.send_response(status)
        for name, value in {"content-type": kind, "content-length": str(len(content.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content.encode())
