"""How long does each way to install take, without the network, and how much does it add to each start?

Not a check: `PACKAGES_ONLY=times tests/interop/run packages` prints the table.
"""

import statistics
import sys
import time

from .node import NPM, registry
from .setting import MODULES, VENV, output, serving

ROUNDS = 9


def check(setting):
    with serving(setting.made / "npm", registry(setting.made / "npm", [])) as npm, serving(setting.release) as release:
        ways = list(ways_of(setting, npm, release))
        first = {name: seconds(setup, options) for name, setup, _, options in ways}
        # In turns, so that what else the machine does slows all of them.
        starts = {name: [] for name, *_ in ways}
        for _ in range(ROUNDS):
            for name, _, start, options in ways:
                starts[name].append(seconds(start, options))
    for name, taken in first.items():
        print(f"   {name}: the first time {taken:.2f} s, then each start {statistics.median(starts[name]) * 1000:.0f} ms")
    for path in sorted([*setting.release.iterdir(), *(setting.made / "npm").iterdir(), *(setting.made / "pypi").iterdir()]):
        print(f"   {path.name}: {path.stat().st_size / 1e6:.1f} MB")


def ways_of(setting, npm, release):
    """Each way's name, the command that installs, the command that starts the program, and their surroundings."""
    home = setting.folder("times")
    path = "/usr/bin:/bin"
    installer = {"HOME": str(home), "PATH": path, "MCP_FERRY_DOWNLOAD_URL": release}
    yield "installer", ["sh", setting.release / "install.sh"], [home / ".local/bin/mcp-ferry", "--version"], {"env": installer}
    for number, tool in NPM.items():
        node = setting.node if number == "24" else MODULES / f"node{number}/bin/node"
        own = setting.folder(f"times/node{number}")
        environment = {
            **{"HOME": str(own), "PATH": f"{node.parent}:{path}", "npm_config_registry": npm},
            **{"npm_config_update_notifier": "false", "npm_config_prefix": str(own / "global")},
        }
        options = {"env": environment, "cwd": own}
        bin = MODULES / tool / "bin"
        npx = [node, bin / "npx-cli.js", "--yes", f"mcp-ferry@{setting.version}", "--version"]
        yield f"npx, Node {number}", npx, npx, options
        install = [node, bin / "npm-cli.js", "install", "--global", f"mcp-ferry@{setting.version}"]
        yield f"npm, Node {number}", install, [own / "global/bin/mcp-ferry", "--version"], options
    offline = ["--offline", "--no-index", "--find-links", setting.made / "pypi", "mcp-ferry", "--version"]
    options = {"env": {"HOME": str(home), "PATH": f"{VENV}/bin:{path}"}, "cwd": home}
    yield "uvx", [VENV / "bin/uvx", *offline], [VENV / "bin/uvx", *offline], options
    output([sys.executable, "-m", "venv", home / "venv"])
    pip = [home / "venv/bin/pip", "--disable-pip-version-check", "install", "--no-index", "--find-links", setting.made / "pypi", "mcp-ferry"]
    yield "pip", pip, [home / "venv/bin/mcp-ferry", "--version"], options


def seconds(command, options):
    began = time.monotonic()
    said, code = output(command, **options)
    taken = time.monotonic() - began
    if code != 0:
        raise RuntimeError(f"{command}: {said}")
    return taken
