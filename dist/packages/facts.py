"""What is this release called, which platforms has it, and when was it made?"""

import os
import subprocess
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass
class Platform:
    """One `[[platform]]` of facts.toml; what a registry does not serve is empty."""

    targets: list
    machine: str
    npm: dict
    wheel: list
    brew: list = field(default_factory=list)
    deb: str = ""
    image: str = ""
    extension: bool = False
    uname: list = field(default_factory=list)
    winget: str = ""
    scoop: str = ""
    powershell: str = ""

    @property
    def is_windows(self):
        return "windows" in self.targets[0]


class Facts:
    def __init__(self):
        package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
        listed = tomllib.loads((HERE / "facts.toml").read_text())
        self.name, self.version = package["name"], package["version"]
        self.description, self.licence = package["description"], package["license"]
        self.keywords, self.repository = package["keywords"], package["repository"]
        self.publisher, self.maintainer = listed["publisher"], listed["maintainer"]
        self.npm, self.pypi, self.winget = listed["npm"], listed["pypi"], listed["winget"]
        self.release = listed["release"].format(repository=self.repository, version=self.version)
        self.platforms = [Platform(**platform) for platform in listed["platform"]]
        self.epoch = epoch()

    def url(self, file):
        return f"{self.release}/{file}"

    def fill(self, template, **words):
        """The text of a template, with each `@WORD@` replaced."""
        words |= {name: getattr(self, name) for name in ("name", "version", "description", "repository", "release", "publisher")}
        text = (HERE / "templates" / template).read_text()
        for word, value in words.items():
            text = text.replace(f"@{word.upper()}@", value)
        return text


def epoch():
    """The time that all files of the packages get: of the commit, unless the build sets one."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return int(os.environ["SOURCE_DATE_EPOCH"])
    made = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return int(made.stdout)
