"""The installers, and how each one is told to add a server without asking."""

from pathlib import Path

from .files import json_files, toml_files, yaml_files

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
VENV = HERE / ".venv"
CLIENTS = HERE.parent / "clients/node_modules"
PARENT = HERE.parent / "node_modules"
URL = "https://docs.example.com/mcp"

JSON_CURSOR = ("json", ".cursor/mcp.json", "mcpServers", json_files)
JSON_DESKTOP = ("json", ".config/Claude/claude_desktop_config.json", "mcpServers", json_files)
JSON_VSCODE = ("json", ".config/Code/User/mcp.json", "servers", json_files)
TOML_CODEX = ("toml", ".codex/config.toml", "mcp_servers", toml_files)
YAML_GOOSE = ("yaml", ".config/goose/config.yaml", "extensions", yaml_files)


class Tool:
    """An installer with one client: the file that it changes there, and its command lines."""

    def __init__(self, name, client, place, *commands, env=()):
        self.name, self.client, self.commands, self.env = name, client, commands, dict(env)
        self.kind, self.path, self.key, self.files = place


def tools(ferry, node):
    """All of them. `node` is the one that runs the clients."""
    add_mcp = [node, MODULES / "add-mcp/dist/index.js", URL, "-g", "-y", "-n", "docs", "-a"]
    install_mcp = [node, MODULES / "install-mcp/bin/run", URL, "-y", "--oauth", "no", "--name", "docs", "--client"]
    mcpm = [VENV / "bin/mcpm"]
    new = [*mcpm, "new", "docs", "--type", "remote", "--url", URL, "--force"]
    edit = [*mcpm, "client", "edit", "cursor", "--add-server", "docs", "--force"]
    fastmcp = [HERE.parent / ".venv/bin/fastmcp", "install", "claude-desktop", "server.py", "--name", "docs"]
    ours = [ferry, "install", URL, "--name", "docs", "--yes", "--client"]
    own = [
        Tool("claude mcp add", "itself", ("json", ".claude.json", "mcpServers", json_files),
             [PARENT / ".bin/claude", "mcp", "add", "docs", "--scope", "user", "--", ferry, URL]),
        Tool("codex mcp add", "itself", TOML_CODEX, [CLIENTS / ".bin/codex", "mcp", "add", "docs", "--", ferry, URL]),
        Tool("gemini mcp add", "itself", ("json", ".gemini/settings.json", "mcpServers", json_files),
             [CLIENTS / ".bin/gemini", "mcp", "add", "--scope", "user", "docs", ferry, URL]),
        Tool("qwen mcp add", "itself", ("json", ".qwen/settings.json", "mcpServers", json_files),
             [CLIENTS / ".bin/qwen", "mcp", "add", "--scope", "user", "docs", ferry, URL]),
        Tool("copilot mcp add", "itself", ("json", ".copilot/mcp-config.json", "mcpServers", json_files),
             [CLIENTS / ".bin/copilot", "mcp", "add", "docs", "--", ferry, URL]),
    ]  # fmt: skip
    return [
        *(Tool("mcp-ferry install", client, place, [*ours, client]) for client, place in [
            ("cursor", JSON_CURSOR), ("claude-desktop", JSON_DESKTOP), ("vscode", JSON_VSCODE), ("codex", TOML_CODEX),
            ("goose", YAML_GOOSE),
        ]),
        # It does not know Claude Desktop on Linux.
        *(Tool("add-mcp 2.4.0", client, place, [*add_mcp, client]) for client, place in [
            ("cursor", JSON_CURSOR), ("vscode", JSON_VSCODE), ("codex", TOML_CODEX), ("goose", YAML_GOOSE),
        ]),
        *(Tool("install-mcp 1.10.2", client, place, [*install_mcp, client]) for client, place in [
            ("cursor", JSON_CURSOR), ("claude", JSON_DESKTOP), ("codex", TOML_CODEX), ("goose", YAML_GOOSE),
        ]),
        Tool("mcpm 2.15.0", "cursor", JSON_CURSOR, new, edit, env={"MCPM_NON_INTERACTIVE": "true"}),
        Tool("fastmcp install 4.2.3", "claude-desktop", JSON_DESKTOP, fastmcp),
        *own,
    ]  # fmt: skip
