"""Do shells load the completions, is the manual well formed, and what does a person at a terminal see?

Arguments: a name, the folder that `examples/generate` wrote, the program, a home directory.
"""

import json
import os
import pty
import select
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PACKAGES = {"/usr/bin/zsh": "zsh", "/usr/bin/fish": "fish", "/usr/bin/mandoc": "mandoc"}
COMMANDS = {"call", "doctor", "install", "login", "logout", "status", "tools", "uninstall"}


def check(name, passed, evidence=""):
    print(f"{'ok' if passed else 'FAILED'} shells: {name}", flush=True)
    if not passed:
        print(evidence, file=sys.stderr)


def output(command, **options):
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **options)
    return ran.stdout


def completions(folder):
    script = f"""
        source {folder}/mcp-ferry.bash
        COMP_WORDS=(mcp-ferry "$1" "$2"); COMP_CWORD=$3
        complete=$(complete -p mcp-ferry) complete=${{complete#*-F }}
        ${{complete%% *}} mcp-ferry "${{COMP_WORDS[$3]}}" "${{COMP_WORDS[$3-1]}}"
        echo "${{COMPREPLY[@]}}"
    """
    bash = lambda *words: output(["bash", "--norc", "-ec", script, "bash", *words])  # noqa: E731
    check("bash completes commands", {"login", "logout"} == set(bash("lo", "", "1").split()), bash("lo", "", "1"))
    check("bash completes options", "--json" in bash("status", "--js", "2"), bash("status", "--js", "2"))
    zsh = "fpath=($1 $fpath); autoload -U compinit; compinit -u -D; print $_comps[mcp-ferry]; autoload +X _mcp-ferry && print loaded"
    loaded = output(["zsh", "-f", "-c", zsh, "zsh", folder])
    check("zsh loads the completion", loaded.split() == ["_mcp-ferry", "loaded"], loaded)
    fish = lambda line: output(["fish", "--no-config", "-c", f"source {folder}/mcp-ferry.fish; complete -C '{line}'"])  # noqa: E731
    found = {line.split("\t")[0] for line in fish("mcp-ferry ").splitlines()}
    check("fish completes commands", found >= COMMANDS, str(found))
    check("fish completes options", "--json" in fish("mcp-ferry status --js"), fish("mcp-ferry status --js"))


def manual(folder):
    pages = sorted(folder.glob("*.1"))
    check("every command has a page", {page.stem for page in pages} >= {f"mcp-ferry-{name}" for name in COMMANDS})
    for page in pages:
        said = output(["mandoc", "-Tlint", page])
        check(f"mandoc accepts {page.name}", said == "", said)


def on_terminal(command, environment, answers=()):
    """Runs a command on a terminal of its own. Each answer is typed when its text has been shown."""
    process, terminal = pty.fork()
    if process == 0:
        os.execve(command[0], [str(word) for word in command], environment)
    shown, waiting, deadline = "", list(answers), time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            read = os.read(terminal, 65536)
        except OSError:
            break
        if not read:
            break
        shown += read.decode(errors="replace")
        if waiting and waiting[0][0] in shown:
            os.write(terminal, waiting.pop(0)[1].encode())
    return shown.replace("\r\n", "\n"), os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def questions(ferry, environment):
    """What `install` asks, and that a secret is not shown while it is typed."""
    home, url = Path(environment["HOME"]), "https://mcp.example.com/mcp"
    files = [home / ".cursor/mcp.json", home / ".codex/config.toml"]
    before = ["{\n  // mine\n}\n", "# mine\n"]
    for file, text in zip(files, before):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    texts = lambda: [file.read_text() for file in files]  # noqa: E731
    install = [ferry, "install", url, "--bearer-token-env", "EXAMPLE_TOKEN"]
    choose = ("[numbers, names or all]", "9\n")
    for name, answers, code in (
        ("an unknown client is asked for again", [choose, ("9 is no client", "\n")], 1),
        ("a secret can be refused", [(choose[0], "2\n"), ("not shown", "abc\x03")], 2),
        ("a change can be refused", [(choose[0], "2\n"), ("not shown", "hidden-token-1\n"), ("[Y/n]", "n\n")], 1),
    ):
        shown, ended = on_terminal(install, environment, answers)
        check(f"install: {name}", ended == code and texts() == before and "hidden" not in shown, shown)
    answers = [(choose[0], "cursor, 2\n"), ("not shown", "hidden-tok\x7f\x7fken\n"), ("[Y/n]", "\n")]
    shown, ended = on_terminal(install, environment, answers)
    check("install: what was found is shown, and what changes", "Codex" in shown and "+[mcp_servers.example]" in shown, shown)
    check("install: an entry is written", ended == 0 and all("hidden-tken" in text for text in texts()), shown)
    check("install: a secret is not shown", "hidden" not in shown and "tken" not in shown, shown)
    shown, ended = on_terminal([ferry, "uninstall", "example"], environment, [("[Y/n]", "n\n")])
    check("uninstall: it can be refused", ended == 1 and texts() != before, shown)
    shown, ended = on_terminal([ferry, "uninstall", "example", "--yes"], environment)
    check("uninstall: --yes asks nothing", ended == 0 and texts() == before, shown)
    shown, ended = on_terminal([ferry, "install", "--replace-mcp-remote"], environment)
    check("install: without mcp-remote there is nothing to ask", ended == 0 and "no entry starts" in shown, shown)


class Server(BaseHTTPRequestHandler):
    """Its tool asks a person, reports progress, and returns what acts on a terminal."""

    protocol_version = "HTTP/1.1"
    answered = {}

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send_response(405)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_DELETE = do_GET

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "method" not in message:
            Server.answered[message["id"]].append(message["result"])
            Server.answered[message["id"]][0].set()
        if "id" not in message or "method" not in message:
            self.send_response(202)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if message["method"] == "tools/call":
            return self.call(message)
        tool = {"name": "ask", "description": "\x1b[31mred\x07", "inputSchema": {"type": "object"}}
        info = {"name": "asks", "version": "1"}
        results = {
            "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info},
            "tools/list": {"tools": [tool]},
        }
        self.respond("application/json", self.result(message, results.get(message["method"], {})))

    def call(self, message):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        token = message["params"].get("_meta", {}).get("progressToken")
        if token is not None:
            params = {"progressToken": token, "progress": 1, "total": 2, "message": "half\x1b[2J way"}
            self.event({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
        question = {"message": "how old?\x1b[5m", "requestedSchema": schema}
        Server.answered["q"] = [threading.Event()]
        self.event({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": question})
        Server.answered["q"][0].wait(30)
        text = f"got {json.dumps(Server.answered['q'][1:])}\x1b]0;title\x07\u202e"
        self.event(json.loads(self.result(message, {"content": [{"type": "text", "text": text}]})))
        self.close_connection = True

    def event(self, message):
        self.wfile.write(f"data: {json.dumps(message)}\n\n".encode())
        self.wfile.flush()

    def result(self, message, result):
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def respond(self, kind, body):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())


def terminal(ferry, environment):
    colours = environment | {"TERM": "xterm-256color"}
    shown, code = on_terminal([ferry], colours)
    check("without arguments, a terminal gets the help", code == 0 and "Usage: " in shown.replace("\x1b[0m", ""), shown)
    check("help has colours on a terminal", "\x1b[" in shown, shown)
    for name, plain in (("NO_COLOR", colours | {"NO_COLOR": "1"}), ("TERM=dumb", environment | {"TERM": "dumb"})):
        shown, _ = on_terminal([ferry, "-h"], plain)
        check(f"help has no colours with {name}", "\x1b" not in shown, shown)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/mcp"
    answers = [("age", "old\n"), ("must be integer", "33\n"), ("[y/N]", "y\n")]
    shown, code = on_terminal([ferry, "call", url, "ask"], colours, answers)
    check("a question of the server is asked on a terminal", code == 0 and '"age": 33' in shown, shown)
    check("progress is shown on a terminal", "1/2 half" in shown, shown)
    check("texts of a server do not act on a terminal", not set("\x1b\x07\u202e") & set(shown), repr(shown))
    shown, code = on_terminal([ferry, "call", url, "ask", "--quiet"], colours, [("age", "1\n"), ("[y/N]", "n\n")])
    check("a question can be declined", code == 0 and '"decline"' in shown, shown)
    check("--quiet shows no progress", "half" not in shown, shown)
    shown, code = on_terminal([ferry, "tools", url], colours)
    check("tools do not act on a terminal", code == 0 and "[31mred" in shown and "\x1b" not in shown, repr(shown))
    server.shutdown()


def main():
    _, folder, ferry, home = sys.argv[1:]
    folder = Path(folder)
    completions(folder / "completions")
    manual(folder / "man")
    environment = {"HOME": home, "PATH": os.environ["PATH"]}
    terminal(ferry, environment)
    questions(ferry, environment)


if __name__ == "__main__":
    main()
