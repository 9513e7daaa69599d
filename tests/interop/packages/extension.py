"""Has the extension every system's program, and does it run as a host starts it?"""

import json
import zipfile

from .files import archives
from .setting import initialize

PROGRAMS = {
    "server/mcp-ferry-linux-x86_64": ("x86_64-unknown-linux-musl", "mcp-ferry"),
    "server/mcp-ferry-linux-aarch64": ("aarch64-unknown-linux-musl", "mcp-ferry"),
    "server/mcp-ferry-macos": ("universal-apple-darwin", "mcp-ferry"),
    "server/mcp-ferry.exe": ("x86_64-pc-windows-msvc", "mcp-ferry.exe"),
}
LICENCES = {f"licenses/{name}" for name in ("LICENSE-APACHE", "LICENSE-MIT", "THIRD-PARTY-LICENCES")}


def check(setting):
    path = setting.release / f"mcp-ferry-{setting.version}.mcpb"
    if "-" in setting.version:
        setting.check("a version before a release has no extension", not path.exists())
        return
    folder = setting.folder("extension")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    released = archives(setting)
    for inside, (target, name) in PROGRAMS.items():
        stem = f"mcp-ferry-{setting.version}-{target}"
        same = (folder / inside).read_bytes() == released[stem][f"{stem}/{name}"][0]
        setting.check(f"the extension has the archive's program for {target}", same)
    found = {str(file.relative_to(folder)) for file in (folder / "licenses").iterdir()}
    texts = (folder / "licenses/THIRD-PARTY-LICENCES").read_text()
    # Only the programs for Linux have openssl-probe, and only that for Windows has windows-sys.
    complete = all(f"\n{crate} " in texts for crate in ("tokio", "openssl-probe", "windows-sys"))
    setting.check("the extension has the licences of all its programs", found == LICENCES and complete, found)
    manifest = json.loads((folder / "manifest.json").read_text())
    named = (manifest["name"], manifest["version"], set(manifest["compatibility"]["platforms"]))
    right = named == ("mcp-ferry", setting.version, {"linux", "darwin", "win32"})
    setting.check("the extension is for three systems, and has the release's version", right, named)
    answers = {"${__dirname}": str(folder), "${user_config.url}": setting.url, "${user_config.token}": ""}
    config = manifest["server"]["mcp_config"]
    environment = {name: fill(value, answers) for name, value in config["env"].items()}
    command = [config["command"], *(fill(word, answers) for word in config["args"])]
    name, _, code = initialize(command, env=environment | {"HOME": str(setting.home), "PATH": "/usr/bin:/bin"})
    setting.check("the extension connects with a URL and no token", "everything" in name and code == 0, f"{name} {code}")


def fill(text, answers):
    for placeholder, answer in answers.items():
        text = text.replace(placeholder, answer)
    return text
