"""Every client with every server of both eras: which MCP features work, as the table in README.md."""

import json
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
PATIENCE = 300
FEATURES = [
    *["connect", "tools", "resources", "prompts", "completion", "pagination", "a form", "a page", "sampling", "roots"],
    *["several at once", "several rounds", "progress", "logging", "cancellation", "subscriptions", "list changes"],
]
# The names that eras/client.mjs and eras/client.py use.
CLIENTS = {
    "first legacy": "TypeScript 1",
    "second legacy": "TypeScript 2, legacy",
    "mcp legacy": "Python, legacy",
    "fastmcp legacy": "FastMCP, legacy",
    "second auto": "TypeScript 2, either",
    "second modern": "TypeScript 2, modern",
    "mcp modern": "Python, modern",
    "fastmcp modern": "FastMCP, modern",
}
# The program of each server, its name in serverInfo, and its era. A server of both eras is limited to one.
SERVERS = {
    "TypeScript 1": ("typescript_legacy.mjs", "typescript-legacy", "legacy"),
    "Python, legacy": ("mcp_server.py", "mcp", "legacy"),
    "FastMCP, legacy": ("fastmcp_server.py", "fastmcp", "legacy"),
    "Rust, legacy": ("rmcp_server", "rmcp", "legacy"),
    "TypeScript 2": ("typescript_modern.mjs", "typescript-modern", "modern"),
    "Python, modern": ("mcp_server.py", "mcp", "modern"),
    "FastMCP, modern": ("fastmcp_server.py", "fastmcp", "modern"),
    "Rust, modern": ("rmcp_server", "rmcp", "modern"),
}
# Features that a server's SDK does not support. They must fail without mcp-ferry too and do not count as failures.
UNSUPPORTED = {
    ("FastMCP, legacy", "subscriptions"): "FastMCP 4.1 has no `resources/subscribe`",
    ("FastMCP, modern", "subscriptions"): "FastMCP 4.1 has no `subscriptions/listen`",
    ("FastMCP, modern", "list changes"): "FastMCP 4.1 has no `subscriptions/listen`",
}
REASONS = list(dict.fromkeys(UNSUPPORTED.values()))


class Driver:
    """A process with the clients of one SDK, which does one job after another."""

    def __init__(self, suite, script):
        home = suite.home(f"eras-{script}")
        command = [*program(suite, script), suite.ferry]
        log = suite.stack.enter_context(open(suite.scratch / f"eras-{script}.log", "wb"))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=suite.environment(home), stderr=log, text=True, **pipes)
        suite.stack.callback(self.process.wait)
        suite.stack.callback(self.process.kill)
        timer = threading.Timer(PATIENCE, self.process.kill)
        timer.daemon = True
        timer.start()

    def run(self, job):
        try:
            print(json.dumps(job), file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline() or '{"error": "the client ended"}')
        except OSError as error:
            return {"error": str(error)}


def program(suite, script):
    if script == "rmcp_server":
        return [rmcp_server()]
    interpreter = suite.venv_python if script.endswith(".py") else suite.node
    return [interpreter, HERE / "eras" / script]


def rmcp_server():
    """Builds the server that uses the Rust SDK."""
    command = ["cargo", "build", "--locked", "--quiet", "--message-format=json"]
    built = subprocess.run(command, cwd=HERE / "rmcp_server", check=True, stdout=subprocess.PIPE).stdout
    return next(path for line in built.splitlines() if (path := json.loads(line).get("executable")))


def mark(server, feature, outcome):
    """The cell of the table, and the failure if there is one."""
    if "error" in outcome:
        return "FAILED", outcome["error"]
    ferry, direct = outcome[feature]["ferry"], outcome[feature]["direct"]
    if reason := UNSUPPORTED.get((server, feature)):
        works = [way for way, problem in (("mcp-ferry", ferry), ("directly", direct)) if problem is None]
        return ("FAILED", f"works {works}, and need not be excused") if works else (f"n/a [{REASONS.index(reason) + 1}]", None)
    if ferry:
        return "FAILED", ferry
    return ("yes", None) if direct in (None, "apart") else ("FAILED", f"directly: {direct}")


def table(rows):
    head = ["client", "server", *FEATURES]
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines + [""] + [f"{number}. {reason}" for number, reason in enumerate(REASONS, 1)])


class ErasSuite:
    def eras(self):
        scripts = dict.fromkeys(script for script, _, _ in SERVERS.values())
        servers = {script: self.start(program(self, script), stdout=subprocess.PIPE) for script in scripts}
        urls = {script: server.stdout.readline().decode().strip() for script, server in servers.items()}
        for url in urls.values():
            self.wait_for_port(int(re.search(r":(\d+)/", url)[1]))
        kinds = {"first": "client.mjs", "second": "client.mjs", "mcp": "client.py", "fastmcp": "client.py"}
        # One client at a time for each server, because all clients would receive its broadcasts.
        taken = {script: threading.Lock() for script in urls}
        outcomes = {}

        def drive(place, kind):
            driver = Driver(self, kinds[kind])
            order = list(SERVERS)[place * 2 :] + list(SERVERS)[: place * 2]
            for server in order:
                script, name, era = SERVERS[server]
                both = sum(script == other for other, _, _ in SERVERS.values()) > 1
                for client in (client for client in CLIENTS if client.split()[0] == kind):
                    job = {"client": client, "server": name, "era": era, "url": urls[script]}
                    job["flags"] = ["--protocol", era] if both else []
                    job["home"] = str(self.home(f"eras-{client}-{name}-{era}".replace(" ", "-")))
                    with taken[script]:
                        outcomes[client, server] = driver.run(job)

        with ThreadPoolExecutor(len(kinds)) as pool:
            list(pool.map(drive, range(len(kinds)), kinds))
        rows = []
        for client, title in CLIENTS.items():
            for server in SERVERS:
                marks = {feature: mark(server, feature, outcomes[client, server]) for feature in FEATURES}
                problems = [f"{feature}: {problem}" for feature, (_, problem) in marks.items() if problem]
                self.report(f"eras: {title} before {server}", not problems, "".join(f"  {p}\n" for p in problems))
                rows.append([title, server, *(shown for shown, _ in marks.values())])
        self.document(table(rows))

    def document(self, table):
        """README.md must contain this table; `--write` writes it."""
        print(table, flush=True)
        before, shown, after = re.split(r"(?<=<!-- eras -->\n)(.*)(?=<!-- end -->)", README.read_text(), flags=re.DOTALL)
        if self.write and "FAILED" not in table:
            README.write_text(f"{before}{table}\n{after}")
        self.report("eras: README.md has this table", README.read_text().count(table), "README.md has another; see --write")
