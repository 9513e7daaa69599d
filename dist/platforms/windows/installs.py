"""Adds a server to Claude Desktop's configuration as it is on Windows, and takes it out again."""

import json

URL = "https://mcp.example.com/mcp"
NAME = "claude_desktop_config.json"

# Where the packaged program keeps its settings, once for each of its packages, and where the classic one does. Each file
# as a person or a program leaves it there: line ends of Windows, tabs, another server.
FILES = {
    f"local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/{NAME}": b'{\r\n  "mcpServers": {}\r\n}\r\n',
    f"local/Packages/Claude_another/LocalCache/Roaming/Claude/{NAME}": b'{"mcpServers":{"other":{"command":"C:\\\\other.exe"}}}',
    f"roaming/Claude/{NAME}": b'{\r\n\t"globalShortcut": "",\r\n\t"mcpServers": {\r\n\t\t"other": {"command": "x"}\r\n\t}\r\n}',
}


def check(start, home, expect):
    """`start` starts the program with these arguments and variables; `home` is a folder for its files."""
    home = home / "installs"
    for file, content in FILES.items():
        (home / file).parent.mkdir(parents=True)
        (home / file).write_bytes(content)
    # The package of another program.
    (home / "local/Packages/Other_pzs8sxrjxfjjc/LocalCache/Roaming/Claude").mkdir(parents=True)
    before = set(home.rglob("*"))
    folder = "Z:" + str(home).replace("/", "\\")
    faked = [f"LOCALAPPDATA={folder}\\local", f"APPDATA={folder}\\roaming", f"USERPROFILE={folder}", f"MCP_FERRY_HOME={folder}\\ferry"]

    def run(*arguments):
        program = start(arguments, {}, faked)
        stdout, stderr = program.communicate(timeout=60)
        return program.returncode, stdout + stderr

    code, said = run("install", "--list")
    listed = [file for file in FILES if file.replace("/", "\\") in said]
    expect("install: each of Claude Desktop's files is found", code == 0 and len(listed) == len(FILES), said)

    code, said = run("install", URL, "--client", "claude-desktop", "--yes", "--name", "example")
    expect("install: succeeds", code == 0, said)
    for file, content in FILES.items():
        place = file.split("/Claude/")[0]
        now = (home / file).read_bytes()
        servers = json.loads(now)["mcpServers"]
        entry = servers.get("example", {})
        program = entry.get("command", "")
        absolute = program.endswith("\\mcp-ferry.exe") and program[1:3] == ":\\"
        expect(f"install: the entry is in {place}", absolute and entry.get("args") == [URL], repr(now))
        kept = json.loads(content)["mcpServers"].items() <= servers.items()
        expect(f"install: the others stay in {place}", kept, repr(now))
        if b"\r\n" in content:
            expect(f"install: line ends stay in {place}", now.count(b"\n") == now.count(b"\r\n"), repr(now))

    code, said = run("status")
    expect("install: status runs beside it", code == 0, said)

    code, said = run("uninstall", "example", "--yes")
    changed = [file for file, content in FILES.items() if (home / file).read_bytes() != content]
    expect("uninstall: every byte is as before", code == 0 and not changed, f"{changed} {said}")
    left = [str(path) for path in home.rglob("*") if path not in before and "ferry" not in path.relative_to(home).parts[0]]
    expect("uninstall: nothing is left beside", not left, repr(left))
