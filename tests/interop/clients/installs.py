"""The suites `installs` and `installs-sample`: clients start the entry that `mcp-ferry install` wrote, and take it out again.

The server wants a token, which only the entry's variables have.
"""

import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import agents
from .agents import HERE, MODULES, OWN, SERVER
from .model import Model
from .session import Session, Setting
from .target import Target

AT_ONCE = 2
LONGEST = 150
TOKEN = "sk-org-0123456789abcdef"
OPENCODE = HERE / "node_modules/opencode-linux-x64/bin/opencode"


def without_entry(home, path, section):
    """Takes the entry that an agent's settings have out of them, so that `install` writes one."""
    file = home / path
    if not file.exists():
        return
    if file.suffix == ".toml":
        return file.write_text(file.read_text().split("[mcp_servers.bridge]")[0])
    settings = json.loads(file.read_text())
    settings.pop(section)
    file.write_text(json.dumps(settings, indent=2) + "\n")


class Installed:
    """In front of an agent. `path` is the client's file, `client` its name for `install`, `remove` its own command."""

    section, remove, calls, reads = "mcpServers", None, True, True

    def prepare(self, home, command, model):
        super().prepare(home, command, model)
        without_entry(home, self.path, self.section)

    def has_entry(self, home):
        file = home / self.path
        return file.exists() and re.search(rf'"{SERVER}"\s*:|\[mcp_servers\.{SERVER}\]', file.read_text()) is not None


class Claude(Installed, agents.Claude):
    client, path = "claude-code", ".claude.json"
    remove = [OWN / "claude", "mcp", "remove", SERVER, "--scope", "user"]


class Codex(Installed, agents.Codex):
    client, path = "codex", ".codex/config.toml"
    remove = [MODULES / "codex", "mcp", "remove", SERVER]
    calls = False  # on a busy machine its turn starts before a server has answered


class Gemini(Installed, agents.Gemini):
    client, path = "gemini", ".gemini/settings.json"
    remove = [MODULES / "gemini", "mcp", "remove", SERVER, "--scope", "user"]


class Qwen(Installed, agents.Qwen):
    client, path = "qwen", ".qwen/settings.json"
    remove = [MODULES / "qwen", "mcp", "remove", SERVER, "--scope", "user"]
    calls = False  # its model must look for tools before it has them


class OpenCode(Installed, agents.OpenCode):
    client, path, section = "opencode", ".config/opencode/opencode.json", "mcp"


class Copilot(Installed, agents.Copilot):
    client, path = "copilot", ".copilot/mcp-config.json"
    remove = [MODULES / "copilot", "mcp", "remove", SERVER]


class Cline(Installed, agents.Cline):
    client, path = "cline", ".cline/data/settings/cline_mcp_settings.json"
    remove = [MODULES / "cline", "mcp", "remove", SERVER]

    def setup(self, home, command, model):
        return super().setup(home, command, model)[1:]


class Continue(Installed, agents.Continue):
    """Its extension of editors reads a folder, which its command line does not: there somebody copies the entry."""

    reads = False
    client, path = "continue", ".continue/mcpServers/ferry-bridge.json"

    def prepare(self, home, command, model):
        super().prepare(home, command, model)
        settings = json.loads((home / "config.yaml").read_text())
        settings.pop("mcpServers")
        agents.write(home / ".continue/config.yaml", settings)

    def copy(self, home):
        entry = json.loads((home / self.path).read_text())["mcpServers"][SERVER]
        settings = json.loads((home / ".continue/config.yaml").read_text()) | {"mcpServers": [{"name": SERVER} | entry]}
        agents.write(home / ".continue/config.yaml", settings)

    def turn(self, home, prompt):
        return [MODULES / "cn", "-p", prompt, "--auto"]


class Inspector(Installed, agents.Inspector):
    """It has no file of its own, and reads those of others."""

    client, path = "cursor", ".cursor/mcp.json"

    def prepare(self, home, command, model):
        agents.write(home / self.path, {"mcpServers": {}})

    def turn(self, home, prompt):
        config = ["--config", home / self.path, "--server", SERVER]
        call = ["--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=ahoy"]
        return [OWN / "mcp-inspector", "--cli", *config, *call]


SAMPLE = [Claude, Inspector]
ALL = [Claude, Codex, Gemini, OpenCode, Copilot, Qwen, Cline, Continue, Inspector]


class Attempt:
    """One client: its checks, and what was said."""

    def __init__(self, agent, suite, scratch, model):
        self.agent, self.suite, self.checks, self.story = agent(), suite, [], ""
        self.target = Target(token=TOKEN)
        self.name = re.sub(r"\W+", "-", f"installs {self.agent.name}").lower()
        self.home, self.model = scratch / self.name, model

    def run(self):
        try:
            self.target.start()
            self.tell()
        except Exception as error:
            self.check(f"{type(error).__name__}: {error}", False)
        self.target.stop()
        return self

    def check(self, words, passed):
        self.checks.append((words, bool(passed)))

    def tell(self):
        agent = self.agent
        self.setting = Setting(agent, self.name, self.home, self.suite.ferry, self.model, self.target, self.suite.path)
        file = self.home / agent.path
        before = file.read_bytes() if file.exists() else None
        self.check("install writes the entry", self.install() == 0 and agent.has_entry(self.home))
        # The client may fill in variables itself: that of the entry wins all the same.
        self.setting.environment["EXAMPLE_TOKEN"] = "that of the shell"
        if not agent.reads:
            self.turn()
            self.check("does not read the file of its extension", not self.target.asked)
            agent.copy(self.home)
        self.turn()
        self.check("connects through the entry", "tools/list" in self.target.asked)
        if agent.calls:
            self.check("calls a tool through it", self.target.calls)
        if agent.remove:
            self.execute(agent.remove)
            self.check("its own command takes the entry out", not agent.has_entry(self.home))
            self.check("uninstall has nothing to do then", self.ferry("uninstall", SERVER) == 0)
            before = file.read_bytes() if file.exists() else None
            self.check("install writes it again", self.install() == 0 and agent.has_entry(self.home))
            self.check("uninstall leaves every byte", self.ferry("uninstall", SERVER) == 0 and before == self.bytes(file))
        else:
            self.check("uninstall takes the entry out", self.ferry("uninstall", SERVER) == 0 and not agent.has_entry(self.home))

    def turn(self):
        session = Session(self.setting).wait(LONGEST)
        session.orphans(0)
        self.story += session.story() + f"{self.target.asked}\n"

    def bytes(self, file):
        return file.read_bytes() if file.exists() else None

    def install(self):
        header = ["--header", "Authorization: Bearer ${EXAMPLE_TOKEN}"]
        return self.ferry("install", self.target.url(), "--client", self.agent.client, "--name", SERVER, *header)

    def ferry(self, *words):
        return self.execute([self.suite.ferry, *words], {"EXAMPLE_TOKEN": TOKEN})

    def execute(self, command, variables={}):
        ran = subprocess.run(
            [str(word) for word in command], env=self.setting.environment | variables, cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST, text=True, errors="replace",
        )  # fmt: skip
        self.story += f"$ {' '.join(str(word) for word in command)}\n{ran.stdout[-1500:]}\nexit {ran.returncode}\n"
        return ran.returncode


class InstallsSuite:
    """Part of `Suite` in `run`."""

    def installs(self):
        self.install_clients()
        self.start_entries(ALL)

    def installs_sample(self):
        self.start_entries(SAMPLE)

    def start_entries(self, wanted):
        only = re.compile(os.environ.get("CLIENTS_ONLY", ""))
        scratch, model = Path(tempfile.mkdtemp(dir=self.scratch)), Model()
        attempts = [Attempt(agent, self, scratch, model) for agent in wanted if only.search(agent.name)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for attempt in pool.map(Attempt.run, attempts):
                for words, passed in attempt.checks:
                    self.report(f"installs/{attempt.agent.name}: {words}", passed)
                if not all(passed for _, passed in attempt.checks):
                    self.evidence(attempt.name, attempt.story)
        model.close()
