"""What happens when a client is started once with a prompt, and what does a person see, and when?"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import person

HERE = Path(__file__).resolve().parent
ADDRESS = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\]):(\d+)/[^\s\"'`\\<>()\[\]\u2502\u2026]+")
COMMAND = re.compile(r"mcp-ferry\S* login ([^`\n]*https?://[^\s`]+)")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


def strings(value):
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def text_of(asked):
    """What a model request says."""
    return "\n".join(strings(asked["body"]))


class Session:
    """One start of a client. `person_after`: how long somebody takes to open an address that is shown, or None."""

    def __init__(self, setting, command=None, person_after=None):
        self.setting, self.home, self.person_after = setting, setting.home, person_after
        self.seen, self.chunks, self.clicks = {}, [], []
        self.asked = len(setting.conversation.requests)
        self.noted, self.done = 0, None
        self.noted = len(self.tap())
        self.begun = time.monotonic()
        self.process = subprocess.Popen(
            [str(word) for word in command or setting.agent.turn(self.home, "call echo")],
            env=setting.environment, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while chunk := os.read(self.process.stdout.fileno(), 65536):
            self.chunks.append((time.monotonic(), chunk.decode(errors="replace")))

    def output(self):
        return ESCAPES.sub("", "".join(text for _, text in self.chunks))

    def tap(self):
        path = self.home / "tap.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines][self.noted : self.done]

    def requests(self):
        """The client's model requests that offer tools: some clients ask for a title too."""
        asked = self.setting.conversation.requests[self.asked :]
        return [request for request in asked if request["tools"]]

    def look(self):
        """Notes which addresses a person, or the model that talks to one, has been shown by now."""
        now = time.monotonic()
        shown = [(now, "output", self.output())]
        shown += [(asked["at"], "model", text_of(asked)) for asked in self.requests()]
        for at, where, text in shown:
            for found in ADDRESS.finditer(text):
                if int(found[1]) != self.setting.model_port and self.leads_to_login(found):
                    self.seen.setdefault(found[0].rstrip(".,;:!?*_"), (at, where, text))

    def leads_to_login(self, found):
        """The server's own address is no place to sign in; its authorization endpoint is."""
        return int(found[1]) != self.setting.target.port or "/authorize" in found[0]

    def wait(self, patience):
        deadline = time.monotonic() + patience
        while self.process.poll() is None and time.monotonic() < deadline:
            self.look()
            if self.person_after is not None:
                self.act()
            time.sleep(0.05)
        self.overdue = self.process.poll() is None
        if self.overdue:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.code = self.process.wait()
        self.ended = time.monotonic()
        self.reader.join(1)
        self.look()
        if self.person_after is not None:
            time.sleep(self.person_after)
            self.act()
        return self

    def act(self):
        """Opens the address, or does what the text says if the page cannot be reached."""
        for address, (at, _, text) in sorted(self.seen.items(), key=lambda shown: shown[1][0]):
            tried = [address for _, address, _ in self.clicks]
            if self.signed_in() or address in tried or time.monotonic() < at + self.person_after:
                continue
            page = person.visit(address)
            self.clicks.append((time.monotonic(), address, page))
            told = COMMAND.search(text)
            if told and not self.signed_in():
                self.log_in_by_command(told[1])

    def signed_in(self):
        return any(re.search("You are signed in|^signed in", page) for _, _, page in self.clicks)

    def cut(self):
        """Addresses that are shown in part only, because the client breaks or cuts lines."""
        return [a for a in self.seen for b in self.seen if a != b and b.startswith(a)]

    def log_in_by_command(self, url):
        command = [self.setting.ferry, "login", *shlex.split(url)]
        self.clicks.append((time.monotonic(), " ".join(map(str, command)), self.setting.log_in(command).stdout))

    # What came of it.

    def server_started(self):
        return next((event["at"] for event in self.tap() if event["way"] == "start"), None)

    def until_model(self):
        """Seconds from the start of the server until the client asks its model."""
        started, asked = self.server_started(), self.requests()
        return asked[0]["at"] - started if started and asked else None

    def address_after(self, call=1):
        """Seconds from the call of our tool, or of the server's, until an address is shown; where it is shown.

        What a client gives its model counts from when the client has it, because that is not the bridge's time.
        """
        called = [event["at"] for event in self.tap() if event["way"] == "client" and '"tools/call"' in event["text"]]
        if not self.seen or len(called) < call:
            return None, None
        address, (at, where, _) = min(self.seen.items(), key=lambda shown: shown[1][0])
        if where == "model":
            at = next((event["at"] for event in self.tap() if event["way"] == "server" and address in event["text"]), at)
        return max(0.0, at - called[call - 1]), where

    def shown(self, pattern):
        """Seconds from the start of the server until a text like this is shown, and where: in the output, or to the model."""
        found = [(asked["at"], "model") for asked in self.requests() if re.search(pattern, text_of(asked))]
        printed = ""
        for at, text in self.chunks:
            printed += text
            if re.search(pattern, ESCAPES.sub("", printed)):
                found.append((at, "output"))
                break
        at, where = min(found, default=(None, None))
        return (at - (self.server_started() or self.begun), where) if at else (None, None)

    def starts(self):
        return sum(event["way"] == "start" for event in self.tap())

    def stderr(self):
        return [event["text"] for event in self.tap() if event["way"] == "stderr"]

    def orphans(self, patience=10):
        """Processes of ours that outlive the client. Those of the client itself are ended, and are not counted.

        What the server says after that belongs to the next start.
        """
        deadline, mark = time.monotonic() + patience, f"CLIENT_RUN={self.setting.name}".encode()
        while left := [command for _, command in processes(mark) if b"tap.py" in command or b"mcp-ferry" in command]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        for number, _ in processes(mark):
            try:
                os.kill(number, signal.SIGKILL)
            except OSError:
                pass
        self.done = self.noted + len(self.tap())
        return left

    def story(self):
        """Everything that was said, for a failure."""
        told = [(event["at"], f"{event['way']}: {event['text'][:400]}") for event in self.tap()]
        told += [(asked["at"], f"model request with the tools {asked['tools'][-3:]}") for asked in self.requests()]
        told += [(at, f"address in {where}: {address}") for address, (at, where, _) in self.seen.items()]
        told += [(at, f"opened {address}: {page[:80]}") for at, address, page in self.clicks]
        lines = [f"{at - self.begun:7.2f} {what}" for at, what in sorted(told)]
        return "\n".join([*lines, f"exit {self.code}, overdue {self.overdue}", self.output()[-600:], ""])


def processes(mark):
    """The processes with this in their environment."""
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name), (entry / "cmdline").read_bytes()
        except OSError:
            continue


class Setting:
    """One client and one server in one home, for as many starts as a scenario needs."""

    def __init__(self, agent, name, home, ferry, model, target, path, options=(), browser=None, url=None, bridge=None):
        self.agent, self.name, self.home, self.ferry, self.target = agent, name, home, ferry, target
        self.conversation = model.begin(name)
        self.model_port = model.server.server_port
        home.mkdir(parents=True)
        opener = HERE / "person.py" if browser is not None else "/bin/false"
        own = {"HOME": home, "TABS": home / "tabs", "THINKING": browser or 0, "BROWSER": opener}
        self.own = {key: str(value) for key, value in own.items()}
        self.environment = {"HOME": str(home), "PATH": path, "USER": "interop", "TERM": "dumb", "CLIENT_RUN": name}
        bridge = bridge or [ferry, url or target.url(), *options]
        # The client's own settings for a server's environment differ, and `env` works for all of them.
        variables = [f"{key}={value}" for key, value in (self.own | {"CLIENT_RUN": name}).items()]
        command = ["/usr/bin/env", *variables, sys.executable, HERE / "tap.py", home / "tap.jsonl", *bridge]
        command = [str(word) for word in command]
        agent.share(home)
        agent.prepare(home, command, model.url(name))
        self.environment |= agent.environment
        for step in agent.setup(home, command, model.url(name)):
            subprocess.run(
                [str(word) for word in step], env=self.environment, cwd=home, stdin=subprocess.DEVNULL, capture_output=True, timeout=120
            )
        (home / "tap.jsonl").unlink(missing_ok=True)
        (home / "tabs").unlink(missing_ok=True)

    def tabs(self):
        path = self.home / "tabs"
        return [float(line.split()[0]) for line in path.read_text().splitlines()] if path.exists() else []

    def log_in(self, command=None):
        """Somebody logs in beforehand, in a terminal, with a browser."""
        opener = {"BROWSER": str(HERE / "person.py"), "TABS": str(self.home / "earlier-tabs"), "THINKING": "0"}
        command = [str(word) for word in command or [self.ferry, "login", self.target.url()]]
        return subprocess.run(command, env=self.environment | self.own | opener, capture_output=True, timeout=60, text=True)

    def use(self):
        """Another program uses the server beforehand, so that it is known."""
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "earlier", "version": "1"}}
        with subprocess.Popen(
            [self.ferry, self.target.url()], env=self.environment | self.own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as earlier:
            for message in (
                {"id": 1, "method": "initialize", "params": hello}, {"method": "notifications/initialized"},
                {"id": 2, "method": "tools/list"},
            ):  # fmt: skip
                earlier.stdin.write(json.dumps({"jsonrpc": "2.0"} | message) + "\n")
                earlier.stdin.flush()
                if "id" in message:
                    earlier.stdout.readline()
            earlier.stdin.close()
