"""How is each client told of its server and its model, and how is it asked to call a tool?"""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules" / ".bin"
OWN = HERE.parent / "node_modules" / ".bin"
VENV = HERE.parent / ".venv" / "bin"
SERVER = "bridge"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


class Agent:
    """A client. `command` is how it starts the server, `model` the address of its model."""

    environment = {}
    relists = True  # asks for the tools again after `list_changed`
    waits = True  # starts its turn only when the server has answered
    one_shot = False  # every step is a process of its own
    shows_errors = True  # says somewhere why a server does not work
    reads_instructions = True  # hands the server's instructions to its model
    variant = False  # the same client in another setting
    hurried = False  # starts its turn without servers that take long, where it can be told to wait for them

    def share(self, home):
        """Lends it what it would unpack into each home anew."""

    def prepare(self, home, command, model):
        """Writes its settings."""

    def setup(self, home, command, model):
        """Commands that write its settings."""
        return []

    def turn(self, home, prompt):
        raise NotImplementedError

    def status(self):
        """The command that says whether its servers work, if there is one that starts them."""


class Claude(Agent):
    name, package = "Claude Code", "@anthropic-ai/claude-code"

    def prepare(self, home, command, model):
        write(home / ".claude.json", {"mcpServers": {SERVER: {"type": "stdio", "command": command[0], "args": command[1:]}}})
        self.environment = {
            "ANTHROPIC_BASE_URL": model, "ANTHROPIC_API_KEY": "dummy", "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "ENABLE_TOOL_SEARCH": "false",
        }  # fmt: skip
        # By default a turn starts a second after its servers, with whatever tools there are: on a busy machine with none.
        if not self.hurried:
            self.environment["MCP_CONNECTION_NONBLOCKING"] = "false"

    def turn(self, home, prompt):
        return [OWN / "claude", "-p", prompt, "--allowedTools", f"mcp__{SERVER}"]

    def status(self):
        return [OWN / "claude", "mcp", "list"]


class Copilot(Agent):
    name, package = "Copilot CLI", "@github/copilot"
    shows_errors, reads_instructions = False, False

    def share(self, home):
        unpacked = home.parent / "copilot-unpacked"
        unpacked.mkdir(exist_ok=True)
        (home / ".cache/copilot").mkdir(parents=True)
        (home / ".cache/copilot/pkg").symlink_to(unpacked)

    def prepare(self, home, command, model):
        entry = {"type": "local", "command": command[0], "args": command[1:], "tools": ["*"]}
        write(home / ".copilot/mcp-config.json", {"mcpServers": {SERVER: entry}})
        self.environment = {"COPILOT_PROVIDER_BASE_URL": f"{model}/v1", "COPILOT_MODEL": "mock"}

    def turn(self, home, prompt):
        return [MODULES / "copilot", "-p", prompt, "--allow-all-tools", "--disable-builtin-mcps"]


class Codex(Agent):
    name, package = "Codex", "@openai/codex"
    required, relists, waits, shows_errors = False, False, False, False

    def prepare(self, home, command, model):
        lines = [
            'model = "mock"', 'model_provider = "mock"', "[model_providers.mock]", 'name = "mock"',
            f'base_url = "{model}/v1"', 'wire_api = "responses"', "[mcp_servers.bridge]",
            f"command = {json.dumps(command[0])}", f"args = {json.dumps(command[1:])}",
            *(["required = true"] if self.required else []),
        ]  # fmt: skip
        write(home / ".codex/config.toml", "\n".join(lines) + "\n")

    def turn(self, home, prompt):
        return [MODULES / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt]


class CodexRequired(Codex):
    name = "Codex (required)"
    required, waits, shows_errors, variant = True, True, True, True


class Gemini(Agent):
    name, package = "Gemini CLI", "@google/gemini-cli"
    shows_errors = False

    def prepare(self, home, command, model):
        entry = {"command": command[0], "args": command[1:], "trust": True}
        security = {"folderTrust": {"enabled": False}, "auth": {"selectedType": "gemini-api-key"}}
        write(home / ".gemini/settings.json", {"security": security, "mcpServers": {SERVER: entry}})
        self.environment = {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": model, "GEMINI_CLI_TRUST_WORKSPACE": "true"}

    def turn(self, home, prompt):
        return [MODULES / "gemini", "-m", "gemini-2.5-flash", "-p", prompt, "--yolo"]

    def status(self):
        return [MODULES / "gemini", "mcp", "list"]


class OpenCode(Agent):
    name, package = "opencode", "opencode-ai"

    def prepare(self, home, command, model):
        provider = {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": f"{model}/v1", "apiKey": "dummy"}}
        provider |= {"models": {"mock": {"name": "mock", "tool_call": True}}}
        entry = {"type": "local", "command": command, "enabled": True}
        settings = {"provider": {"mock": provider}, "model": "mock/mock", "mcp": {SERVER: entry}, "autoupdate": False}
        write(home / ".config/opencode/opencode.json", settings | {"share": "disabled"})
        self.environment = {"OPENCODE_DISABLE_MODELS_FETCH": "1", "OPENCODE_DISABLE_AUTOUPDATE": "1"}

    def turn(self, home, prompt):
        return [HERE / "node_modules/opencode-linux-x64/bin/opencode", "run", prompt]

    def status(self):
        return [HERE / "node_modules/opencode-linux-x64/bin/opencode", "mcp", "list"]


class Cline(Agent):
    name, package = "Cline", "cline"
    shows_errors, reads_instructions = False, False
    relists = False

    def setup(self, home, command, model):
        return [
            [MODULES / "cline", "mcp", "add", SERVER, "--yes", "--json", "--", *command],
            [MODULES / "cline", "auth", "-p", "openai", "-k", "dummy", "-m", "mock", "-b", f"{model}/v1"],
        ]

    def turn(self, home, prompt):
        return [MODULES / "cline", "--json", prompt]


class Qwen(Agent):
    name, package = "Qwen Code", "@qwen-code/qwen-code"
    shows_errors = False
    relists = False

    def prepare(self, home, command, model):
        entry = {"command": command[0], "args": command[1:], "trust": True, "alwaysLoadTools": True}
        settings = {"security": {"folderTrust": {"enabled": False}, "auth": {"selectedType": "openai"}}}
        write(home / ".qwen/settings.json", settings | {"mcpServers": {SERVER: entry}, "telemetry": {"enabled": False}})
        self.environment = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_API_KEY": "dummy", "OPENAI_MODEL": "mock"}

    def turn(self, home, prompt):
        return [MODULES / "qwen", "-p", prompt, "--yolo"]

    def status(self):
        return [MODULES / "qwen", "mcp", "list"]


class Continue(Agent):
    name, package = "Continue CLI", "@continuedev/cli"
    reads_instructions = False
    relists = False

    def prepare(self, home, command, model):
        entry = {"name": SERVER, "command": command[0], "args": command[1:]}
        served = {"name": "mock", "provider": "openai", "model": "mock", "apiBase": f"{model}/v1", "apiKey": "dummy"}
        served |= {"roles": ["chat"], "capabilities": ["tool_use"]}
        settings = {"name": "local", "version": "1.0.0", "schema": "v1", "models": [served], "mcpServers": [entry]}
        write(home / "config.yaml", settings)  # JSON is YAML
        self.environment = {"CONTINUE_TELEMETRY_ENABLED": "0", "CONTINUE_ALLOW_ANONYMOUS_TELEMETRY": "0"}

    def turn(self, home, prompt):
        return [MODULES / "cn", "-p", prompt, "--auto", "--config", home / "config.yaml"]


class Direct(Agent):
    """A small agent of ours on somebody else's library or command line."""

    def prepare(self, home, command, model):
        write(home / "mcp.json", {"mcpServers": {SERVER: {"command": command[0], "args": command[1:]}}})
        self.model = model

    def turn(self, home, prompt):
        return [VENV / "python", HERE / "direct.py", self.kind, self.model, home / "mcp.json"]


class Inspector(Direct):
    name, kind, package = "MCP Inspector", "inspector", "@modelcontextprotocol/inspector"
    one_shot = True


class FastMcp(Direct):
    name, kind, package = "FastMCP", "fastmcp", "fastmcp"


class PythonMcp(Direct):
    name, kind, package = "Python mcp", "mcp", "mcp"


class Mcporter(Direct):
    name, kind, package = "mcporter", "mcporter", "mcporter"
    one_shot = True


SAMPLE = [Claude, Inspector, FastMcp, PythonMcp]
AGENTS = [Claude, Copilot, Codex, CodexRequired, Gemini, OpenCode, Cline, Qwen, Continue, Inspector, FastMcp, PythonMcp, Mcporter]
