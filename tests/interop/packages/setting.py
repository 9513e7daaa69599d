"""What do all checks of the packages share: where things are, how a program is asked, how a folder is served?"""

import json
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MODULES = HERE / "node_modules"
VENV = HERE / ".venv"
# npm on a busy machine.
PATIENCE = 240


@dataclass
class Setting:
    # What `dist/packages/make` made.
    made: Path
    version: str
    ferry: Path
    # A server, as a URL.
    url: str
    home: Path
    # The newest Node.
    node: Path
    report: Callable

    @property
    def release(self):
        return self.made / "release"

    def check(self, name, passed, evidence=""):
        self.report(f"packages: {name}", passed, f"{evidence}\n")

    def folder(self, name):
        folder = self.home / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def output(command, **options):
    """What a command says, and its exit status."""
    options = {"stdin": subprocess.DEVNULL, "timeout": PATIENCE} | options
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", **options)
    return ran.stdout, ran.returncode


def initialize(command, **options):
    """The name of the server that answers through a command, the command lines of its processes, and its exit status."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "packages", "version": "1"}}
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", **options
    )  # fmt: skip
    end = threading.Timer(PATIENCE, process.kill)
    end.start()
    try:
        process.stdin.write(message + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        lines = family(process.pid)
        errors = process.communicate()[1]
    finally:
        end.cancel()
    try:
        return json.loads(line)["result"]["serverInfo"]["name"], lines, process.returncode
    except (ValueError, KeyError):
        return f"{line}{errors}", lines, process.returncode


def family(parent):
    """The command lines of a process and of all that it started."""
    found, waiting = [], [parent]
    while waiting:
        process = Path("/proc") / str(waiting.pop())
        try:
            found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
            for task in (process / "task").iterdir():
                waiting += (task / "children").read_text().split()
        except OSError:
            continue
    return found


@contextmanager
def serving(folder, handler=None):
    """Serves a folder at a URL."""

    class Quiet(handler or SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
