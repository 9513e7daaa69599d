"""The programs for macOS, which are linked here and cannot run here: what do their bytes say?"""

import os
import re
import subprocess
from pathlib import Path

import mach_o

ROOT = Path(__file__).resolve().parent.parent.parent
PLATFORMS = ROOT / "dist/platforms"
FRAMEWORKS = PLATFORMS / "macos/System/Library/Frameworks"

X86_64, AARCH64 = "x86_64-apple-darwin", "aarch64-apple-darwin"
PROCESSORS = {X86_64: 0x01000007, AARCH64: 0x0100000C}
# Besides the frameworks; the last two are there because cargo-zigbuild names them.
LIBRARIES = ["/usr/lib/libSystem.B.dylib", "/usr/lib/libcharset.1.dylib", "/usr/lib/libiconv.2.dylib"]
EXECUTABLE, MACOS, OLDEST = 2, 1, "11.0"
# Every name is looked for in the library that the linker found it in, and the program runs at any address.
FLAGS = {"no undefined names": 0x1, "names by library": 0x80, "any address": 0x200000}


class MacSuite:
    """Part of `Suite` in `run`."""

    def macos(self):
        built = subprocess.run([PLATFORMS / "build", "--quick", "universal-apple-darwin"], check=True, stdout=subprocess.PIPE, text=True)
        universal = Path(built.stdout.strip())
        made, profile = universal.parent.parent.parent, universal.parent.name
        programs = {target: (made / target / profile / "mcp-ferry").read_bytes() for target in PROCESSORS}
        for target, content in programs.items():
            self.mac_program(f"macos/{target}", content, PROCESSORS[target])
        signature = mach_o.signed(programs[AARCH64])
        self.report(f"macos/{AARCH64}: the signature is that of these bytes", signature == "ad hoc", signature)
        parts, wrong = mach_o.parts(universal.read_bytes())
        self.report("macos/universal: the parts lie as macOS wants them", not wrong, "\n".join(wrong))
        same = parts == {PROCESSORS[target]: content for target, content in programs.items()}
        self.report("macos/universal: has both programs as they are", same, f"{[hex(processor) for processor in parts]}")
        swapped = [made / target / profile / "mcp-ferry" for target in (AARCH64, X86_64)]
        joined = subprocess.run([ROOT / "dist/packages/universal", *swapped, self.home("macos") / "swapped"], stderr=subprocess.PIPE, text=True)
        self.report("macos/universal: no part is taken for another processor", "other processors" in joined.stderr, joined.stderr)
        for target in PROCESSORS:
            said = self.linked_with(made.parent, target, "SecNobodyKnowsThis")
            self.report(f"macos/{target}: a name that no library has is an error that says it", "undefined symbol: _SecNobodyKnowsThis" in said, said)

    def mac_program(self, name, content, processor):
        program = mach_o.read(content)
        of_this = (program.processor, program.kind) == (processor, EXECUTABLE)
        self.report(f"{name}: is a program for this processor", of_this, f"{program.processor:x} {program.kind}")
        missing = [flag for flag, bit in FLAGS.items() if not program.flags & bit]
        self.report(f"{name}: starts at any address, and knows where each name is", not missing, f"{missing}")
        oldest = (program.system, program.oldest)
        self.report(f"{name}: runs on macOS {OLDEST}", oldest == (MACOS, OLDEST), f"{oldest}")
        stubs = {path: symbols for path, symbols in map(stub, sorted(FRAMEWORKS.glob("*/*.tbd")))}
        expected = sorted([*stubs, *LIBRARIES])
        self.report(f"{name}: loads only these libraries of the system", sorted(program.libraries) == expected, f"{program.libraries}")
        for path, symbols in stubs.items():
            taken = {symbol for symbol, library in program.imports.items() if library == path}
            differ = f"only in the stub: {sorted(symbols - taken)}, only in the program: {sorted(taken - symbols)}"
            self.report(f"{name}: the stub of {Path(path).name} has what the program takes", taken == symbols, differ)

    def linked_with(self, toolchain, target, symbol):
        """What the linker says of a program that calls a function which is in none of the stubs."""
        home = self.home(f"macos-{target}")
        source = home / "call.c"
        source.write_text(f"extern void {symbol}(void);\nint main(void) {{ {symbol}(); return 0; }}\n")
        environment = os.environ | {"SDKROOT": str(PLATFORMS / "macos"), "PATH": f"{toolchain}/python/bin:{os.environ['PATH']}"}
        command = ["cargo-zigbuild", "zig", "cc", "--", "-target", f"{target.split('-')[0]}-macos.11.0-none", "-framework", "Security"]
        linked = subprocess.run([*command, source, "-o", home / "call"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return linked.stdout if linked.returncode else "it was linked"


def stub(path):
    """The library that a stub stands for, and its symbols."""
    text = path.read_text()
    return re.search(r"^install-name: (\S+)$", text, re.M)[1], set(re.findall(r"^ +- (_\w+)$", text, re.M))
