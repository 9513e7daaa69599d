"""Which crates are in the program of a target, and which only took part in its build?"""

import json
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from facts import ROOT

# The files that `cargo metadata` knows nothing of.
LICENCE_NAMES = ("licen", "copying", "notice", "unlicense")


@dataclass
class Crate:
    name: str
    version: str
    licence: str
    description: str
    repository: str
    folder: Path
    # Names and versions, sorted.
    needs: list
    is_in_program: bool

    @property
    def reference(self):
        return f"pkg:cargo/{self.name}@{self.version}"

    def licence_files(self):
        files = sorted(path for path in self.folder.iterdir() if path.is_file() and path.name.lower().startswith(LICENCE_NAMES))
        return [path.read_text(errors="replace").strip() for path in files]


def crates(target):
    """All crates, ours first, for one of the compiler's targets."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform", target]
    told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    root = told["resolve"]["root"]
    spelled = {one: f"{package['name']} v{package['version']}" for one, package in packages.items()}
    inside, both = ({one for one in nodes if spelled[one] in tree(target, edges)} for edges in ("normal", "normal,build"))
    ours, *others = [root, *sorted(both - {root}, key=lambda one: (packages[one]["name"], packages[one]["version"]))]
    return [crate(packages, nodes, one, both, one in inside) for one in (ours, *others)]


@cache
def tree(target, edges):
    """The names and versions that a build takes. `cargo metadata` also names what only the features of tests need."""
    command = ["cargo", "tree", "--locked", "--prefix", "none", "--format", "{p}", "--target", target, "--edges", edges]
    told = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {" ".join(line.split()[:2]) for line in told.splitlines() if line.strip()}


def crate(packages, nodes, one, all_of_them, is_in_program):
    package = packages[one]
    needs = {dependency["pkg"] for dependency in nodes[one]["deps"]} & all_of_them
    needs = {need for need in needs if any(kind["kind"] != "dev" for d in nodes[one]["deps"] if d["pkg"] == need for kind in d["dep_kinds"])}
    return Crate(
        package["name"], package["version"], " ".join((package["license"] or "").replace("/", " OR ").split()),
        (package["description"] or "").strip(), package["repository"] or "", Path(package["manifest_path"]).parent,
        sorted(f"pkg:cargo/{packages[need]['name']}@{packages[need]['version']}" for need in needs), is_in_program,
    )  # fmt: skip


def joined(lists):
    """The crates of several targets as those of one program."""
    found = {}
    for crate in [crate for each in lists for crate in each]:
        known = found.setdefault(crate.reference, crate)
        known.is_in_program |= crate.is_in_program
        known.needs = sorted({*known.needs, *crate.needs})
    ours, *others = found.values()
    return [ours, *sorted(others, key=lambda crate: crate.reference)]
