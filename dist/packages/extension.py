"""How is the extension for any server (.mcpb) made, with one program for each system and processor?"""

import os
import re
import subprocess
import tempfile
from pathlib import Path

import licences
from facts import ROOT

ICON = ROOT / "dist/mcpb/icon.png"
BUILT_HERE = ["cargo", "run", "--quiet", "--locked", "--bin", "mcp-ferry", "--"]


def extension(facts, built, listed, bundler):
    """The file by its name. A version before a release has none: hosts know only three numbers."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", facts.version):
        return {}
    inside = [program for program in built if program.platform.extension]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        texts = [ROOT / "LICENSE-APACHE", ROOT / "LICENSE-MIT", folder / "THIRD-PARTY-LICENCES"]
        texts[-1].write_bytes(licences.licences_of_all({program.target: listed[program.target] for program in inside}))
        command = [*bundler, "bundle", "--version", facts.version, "--homepage", facts.repository, "--icon", ICON]
        for text in texts:
            command += ["--license-file", text]
        for program in inside:
            path = folder / program.target
            path.write_bytes(program.content)
            command += ["--program", path]
        # A variable of whoever makes the packages would become a part of the extension.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MCP_FERRY_")}
        out = folder / "out"
        subprocess.run([*command, "--output", out], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
        return {path.name: path.read_bytes() for path in sorted(out.iterdir())}
