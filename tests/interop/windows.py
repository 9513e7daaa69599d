"""The programs for Windows: on x86_64 under wine, with the tests of the project; on aarch64 as far as their files show it."""

import os
import subprocess
from pathlib import Path

from portable_executable import PortableExecutable

HERE = Path(__file__).resolve().parent
PLATFORMS = HERE.parent.parent / "dist/platforms"
TARGETS = {"x86_64": "x86_64-pc-windows-gnu", "aarch64": "aarch64-pc-windows-gnullvm"}


class WindowsSuite:
    def windows(self):
        made = {machine: self.windows_program(machine, target) for machine, target in TARGETS.items()}
        self.follow("windows", [PLATFORMS / "windows/check", made["x86_64"]], dict(os.environ))
        home = self.home("bundle-wine")
        command = [self.node, HERE / "bundle_wine.mjs", made["x86_64"], self.ferry, home]
        prefix = Path(os.environ.get("MCP_FERRY_PLATFORMS", PLATFORMS.parent.parent / "target/platforms")).resolve() / "wine"
        self.follow("bundle-wine", command, self.environment(home) | {"WINEPREFIX": str(prefix), "WINEDEBUG": "-all"})

    def windows_program(self, machine, target):
        build = subprocess.run([PLATFORMS / "build", "--quick", target], check=True, stdout=subprocess.PIPE, text=True)
        file = Path(build.stdout.strip())
        program = PortableExecutable(file)
        self.report(f"windows/{machine}: is for this processor", program.machine == machine, program.machine)
        self.report(f"windows/{machine}: needs what Windows has, and nothing else", program.imports() and not program.foreign(), repr(program.imports()))
        return file
