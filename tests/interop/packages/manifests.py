"""Do Homebrew, winget, scoop and binstall find the archives, with their sums?"""

import hashlib
import json
import re
import tomllib

from .files import archives
from .setting import ROOT, VENV, output

AS_JSON = "import json, sys, yaml; print(json.dumps([yaml.safe_load(open(path)) for path in sys.argv[1:]], default=str))"

BINSTALL = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl", "universal-apple-darwin", "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"]
ENDINGS = {"tgz": [".tgz", ".tar.gz"], "zip": [".zip"]}


def check(setting):
    package = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    base = f"{package['repository']}/releases/download/v{package['version']}/"
    sums = {base + path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in setting.release.iterdir()}
    found = archives(setting)
    check_homebrew(setting, sums)
    check_winget(setting, sums, found)
    check_scoop(setting, sums, found)
    check_binstall(setting, package, found)
    text = (ROOT / "README.md").read_text()
    named = set(re.findall(r"https://[^\s)'\"]*/releases/[^\s)'\"`|]*", text))
    right = named and all(address.startswith(f"{package['repository']}/releases/") for address in named)
    setting.check("README loads from the repository of Cargo.toml", right, named)
    files = {address.rsplit("/", 1)[1] for address in named if "/download/" in address}
    setting.check("README loads files that a release has", all((setting.release / name).exists() for name in files), files)


def check_homebrew(setting, sums):
    text = (setting.made / "homebrew/mcp-ferry.rb").read_text()
    pairs = re.findall(r'url "([^"]*)"\s+sha256 "([^"]*)"', text)
    right = len(pairs) == 3 and all(sums.get(url) == digest for url, digest in pairs)
    setting.check("the formula has the sums of the archives", right, text)


def check_winget(setting, sums, found):
    parts = json.loads(output([VENV / "bin/python", "-c", AS_JSON, *sorted((setting.made / "winget").iterdir())])[0])
    kinds = {part["ManifestType"] for part in parts}
    setting.check("winget has its three files", kinds == {"version", "installer", "defaultLocale"}, parts)
    same = {(part["PackageIdentifier"], str(part["PackageVersion"]), part["ManifestVersion"]) for part in parts}
    setting.check("winget's files are of one version", len(same) == 1, same)
    entries = next(part for part in parts if part["ManifestType"] == "installer")["Installers"]
    right = {entry["Architecture"] for entry in entries} == {"x64", "arm64"}
    for entry in entries:
        right &= sums.get(entry["InstallerUrl"]) == entry["InstallerSha256"].lower()
        path = entry["NestedInstallerFiles"][0]["RelativeFilePath"].replace("\\", "/")
        right &= path in found[entry["InstallerUrl"].rsplit("/", 1)[1].removesuffix(".zip")]
    setting.check("winget has the sums of the archives, and the program's path in them", right, entries)


def check_scoop(setting, sums, found):
    manifest = json.loads((setting.made / "scoop/mcp-ferry.json").read_text())
    entries = manifest["architecture"]
    right = set(entries) == {"64bit", "arm64"}
    for name, entry in entries.items():
        right &= sums.get(entry["url"]) == entry["hash"]
        right &= f"{entry['extract_dir']}/{manifest['bin']}" in found[entry["url"].rsplit("/", 1)[1].removesuffix(".zip")]
        later = manifest["autoupdate"]["architecture"][name]
        right &= later["url"].replace("$version", setting.version) == entry["url"]
        right &= later["extract_dir"].replace("$version", setting.version) == entry["extract_dir"]
    setting.check("scoop has the sums of the archives, and its updates their names", right, manifest)


def check_binstall(setting, package, found):
    """Fills in the names as binstall does."""
    listed = package["metadata"]["binstall"]
    for target in BINSTALL:
        told = listed | listed.get("overrides", {}).get(target, {})
        words = {"repo": package["repository"], "version": setting.version, "name": "mcp-ferry", "target": target, "bin": "mcp-ferry"}
        words["binary-ext"] = ".exe" if "windows" in target else ""
        names = []
        for ending in ENDINGS[told["pkg-fmt"]]:
            address = fill(told["pkg-url"], words | {"archive-suffix": ending})
            names += [address.rsplit("/", 1)[1].removesuffix(ending)] if (setting.release / address.rsplit("/", 1)[1]).exists() else []
        right = len(names) == 1 and fill(told["bin-dir"], words) in found[names[0]]
        setting.check(f"binstall finds the program of {target}", right, [told, names])


def fill(text, words):
    return re.sub(r"\{ ([\w-]+) \}", lambda word: words[word[1]], text)
