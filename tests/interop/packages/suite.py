"""The suite `packages`: are the packages of a release whole, and do the tools of each registry install them?

PACKAGES_MADE is a folder that `dist/packages/make` wrote; without it the suite makes one, twice, from the program and
from stand-ins for the other platforms.
"""

import hashlib
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import programs

from . import crate, debian, extension, files, image, installers, manifests, node, python, sbom, times, universal, versions, workflows
from .setting import HERE, MODULES, ROOT, VENV, Setting

PROGRAMS = {"/usr/bin/shellcheck": "shellcheck", "/usr/bin/skopeo": "skopeo", "/usr/sbin/runc": "runc"}
OF_THIS_MACHINE = "x86_64-unknown-linux-musl"
# The others have only the header of a program of their platform.
WINDOWS = b"MZ".ljust(0x3C, b"\0") + b"\x40\0\0\0PE\0\0"
OTHERS = {
    "aarch64-unknown-linux-musl": b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + b"\x02\0\xb7\0",
    "universal-apple-darwin": b"\xca\xfe\xba\xbe\0\0\0\x02" + (b"\x01\0\0\x07" + bytes(16)) + (b"\x01\0\0\x0c" + bytes(16)),
    "x86_64-pc-windows-msvc.exe": WINDOWS + b"\x64\x86",
    "aarch64-pc-windows-msvc.exe": WINDOWS + b"\x64\xaa",
}
PARTS = [workflows, versions, universal, files, manifests, sbom, extension, node, python, debian, image, installers, crate]


class PackagesSuite:
    """Part of `Suite` in `run`."""

    def packages(self):
        programs.install(PROGRAMS)
        self.install_packages()
        home = self.home("packages")
        made = Path(os.environ["PACKAGES_MADE"]).resolve() if "PACKAGES_MADE" in os.environ else self.make_packages(home)
        version = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]
        url = self.everything_server("streamableHttp")
        setting = Setting(made, version, self.ferry, url, home, self.node, self.report)
        only = os.environ.get("PACKAGES_ONLY", "").split()
        for part in PARTS:
            if not only or part.__name__.rsplit(".")[-1] in only:
                part.check(setting)
        if "times" in only:
            times.check(setting)

    def make_packages(self, home):
        built = home / "programs"
        built.mkdir()
        (built / f"mcp-ferry-{OF_THIS_MACHINE}").write_bytes(self.ferry.read_bytes())
        for target, header in OTHERS.items():
            (built / f"mcp-ferry-{target}").write_bytes(header.ljust(128, b"\0") + f"stand-in for {target}\n".encode() * 10)
        subprocess.run(
            ["cargo", "run", "--quiet", "--locked", "--example", "generate", "--", home / "documents"],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        command = [ROOT / "dist/packages/make", "--programs", built, "--documents", home / "documents", "--bundler", self.ferry]
        for name in ("made", "again"):
            subprocess.run([*command, "--stand-ins", "--out", home / name], check=True, stdout=subprocess.DEVNULL)
        first, second = digests(home / "made"), digests(home / "again")
        self.report("packages: made twice, they have the same bytes", first == second, f"{first}\n{second}\n")
        (built / "mcp-ferry-x86_64-pc-windows-msvc.exe").write_bytes(OTHERS["aarch64-pc-windows-msvc.exe"].ljust(128, b"\0"))
        refused = subprocess.run([*command, "--out", home / "refused"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        unlike = refused.returncode != 0 and "must be" in refused.stdout and not (home / "refused").exists()
        self.report("packages: a file that is no program of its platform is refused", unlike, refused.stdout)
        return home / "made"

    def install_packages(self):
        listed = hashlib.sha256((HERE / "package-lock.json").read_bytes() + (HERE / "requirements.txt").read_bytes()).hexdigest()
        stamp = MODULES / ".installed"
        if stamp.exists() and stamp.read_text() == listed:
            return
        subprocess.run(["npm", "ci", "--ignore-scripts"], cwd=HERE, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        pip = [VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        subprocess.run(pip, check=True)
        stamp.write_text(listed)


def digests(folder):
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}
