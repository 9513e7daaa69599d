"""Is a program for both processors of macOS made of one for each?"""

import sys

from .setting import ROOT, output

# The aarch64 program is another one for x86_64.
JOIN = """
import programs
part = b"\\xcf\\xfa\\xed\\xfe" + (0x01000007).to_bytes(4, "little")
try:
    programs.universal({"x86_64-apple-darwin": part, "aarch64-apple-darwin": part})
except programs.Refused as refused:
    print(refused)
"""


def check(setting):
    said, _ = output([sys.executable, "-B", "-c", JOIN], cwd=ROOT / "dist/packages")
    setting.check("two programs for one processor are not joined", "the program of aarch64-apple-darwin" in said, said)
