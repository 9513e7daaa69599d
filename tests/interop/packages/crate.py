"""Does the crate hold what a build needs and no more, and would crates.io take it?"""

import os

from .setting import ROOT, output

WANTED = {"Cargo.toml", "Cargo.toml.orig", "Cargo.lock", "README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", ".cargo_vcs_info.json"}


def check(setting):
    said, code = output(["cargo", "package", "--list", "--locked", "--allow-dirty"], cwd=ROOT)
    files = {line for line in said.splitlines() if "warning" not in line}
    others = {name for name in files if not name.startswith(("src/", "examples/generate/"))}
    whole = others | {".cargo_vcs_info.json"} == WANTED
    setting.check("the crate holds what is needed and no more", code == 0 and whole, others ^ WANTED)
    # It is built from what it holds.
    quiet = os.environ | {"CARGO_TERM_COLOR": "never"}
    said, code = output(["cargo", "publish", "--dry-run", "--locked", "--allow-dirty"], cwd=ROOT, env=quiet, timeout=1800)
    setting.check("cargo publish --dry-run passes", code == 0 and "Uploading" in said, said[-3000:])
