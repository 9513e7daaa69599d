"""The static programs for Linux, built here with zig: on this processor, and on aarch64 under qemu."""

import re
import subprocess
from pathlib import Path

import programs

ROOT = Path(__file__).resolve().parent.parent.parent
PLATFORMS = ROOT / "dist/platforms"
EVERYTHING = Path(__file__).resolve().parent / "everything.mjs"

X86_64, AARCH64 = "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"
PACKAGES = {"/usr/bin/qemu-aarch64-static": "qemu-user-static"}
MACHINES = {X86_64: "Advanced Micro Devices X86-64", AARCH64: "AArch64"}

# In namespaces of its own the kernel starts programs for aarch64 with qemu, and on the machine nothing changes.
EMULATED = [
    *["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"],
    "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc\n"
    r"printf '%s' ':aarch64:M::\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:"
    "/usr/bin/qemu-aarch64-static:F' >/proc/sys/fs/binfmt_misc/register\n"
    'exec "$@"',
    "sh",
]


class PlatformsSuite:
    def platforms(self):
        programs.install(PACKAGES)
        for target, machine in MACHINES.items():
            emulated, also = (EMULATED, ["--example", "demo"]) if target == AARCH64 else ([], [])
            ferry = Path(self.printed_by([PLATFORMS / "build", "--quick", target, *also]))
            home = self.home(target)
            elf = self.capture(["readelf", "-hlW", ferry], home)
            self.report(f"platforms/{target}: is for this processor", re.search(f"Machine: +{machine}", elf), elf)
            self.report(f"platforms/{target}: asks for no loader", "INTERP" not in elf, elf)
            linked = self.capture(["ldd", ferry], home)
            self.report(f"platforms/{target}: ldd sees no library", re.search("statically linked|not a dynamic", linked), linked)
            version = self.capture([*emulated, ferry, "--version"], home)
            self.report(f"platforms/{target}: starts", version.startswith("mcp-ferry "), version)
            kinds = {X86_64: ["streamableHttp", "sse"], AARCH64: ["streamableHttp"]}[target]
            for kind in kinds:
                label = f"platforms/{target}/{kind}"
                command = [*emulated, self.node, EVERYTHING, label, self.everything_server(kind), ferry, home]
                self.follow(label, command, self.environment(home))
        shown = self.capture([*EMULATED, ferry.parent / "examples/demo"], self.home("demo"))
        self.report(f"platforms/{AARCH64}: the demo", "exit status: 0 after" in shown and "exit code" not in shown, shown)

    def printed_by(self, command):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
