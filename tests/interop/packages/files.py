"""Do the archives hold what the documentation says, and do the sums fit?"""

import io
import tarfile
import zipfile

from .setting import output

TEXTS = {"README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE", "THIRD-PARTY-LICENCES", "sbom.cdx.json"}
COMPLETIONS = {f"completions/{name}" for name in ("mcp-ferry.bash", "_mcp-ferry", "mcp-ferry.fish", "_mcp-ferry.ps1")}
PAGES = {"man/mcp-ferry.1", "man/mcp-ferry-install.1", "man/mcp-ferry-doctor.1", "man/mcp-ferry-login.1"}
PLATFORMS = 5


def archives(setting):
    """Each archive's name without its ending, with its files and their modes."""
    found = {}
    for path in sorted(setting.release.iterdir()):
        if path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                members = {info.name: (archive.extractfile(info).read(), info.mode) for info in archive if info.isfile()}
                found[path.name.removesuffix(".tar.gz")] = members
        elif path.suffix == ".zip":
            with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
                broken = archive.testzip()
                assert broken is None, broken
                found[path.stem] = {info.filename: (archive.read(info), info.external_attr >> 16 & 0o777) for info in archive.infolist()}
    return found


def check(setting):
    said, code = output(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=setting.release)
    setting.check("the sums are those of the files", code == 0, said)
    listed = {line.split("  ")[1] for line in (setting.release / "SHA256SUMS").read_text().splitlines()}
    present = {path.name for path in setting.release.iterdir()} - {"SHA256SUMS"}
    setting.check("every file of the release has a sum", listed == present, listed ^ present)

    found = archives(setting)
    setting.check("there is an archive for each platform", len(found) == PLATFORMS, list(found))
    for stem, members in found.items():
        program = "mcp-ferry.exe" if "windows" in stem else "mcp-ferry"
        inside = {name.removeprefix(f"{stem}/") for name in members if name.startswith(f"{stem}/")}
        whole = inside >= TEXTS | COMPLETIONS | PAGES | {program} and len(inside) == len(members)
        nothing_else = all(name in TEXTS | COMPLETIONS | {program} or name.startswith("man/") for name in inside)
        setting.check(f"{stem} holds what is documented, in one folder", whole and nothing_else, sorted(members))
        modes = {name: mode for name, (_, mode) in members.items()}
        right = modes.pop(f"{stem}/{program}") == 0o755 and set(modes.values()) == {0o644}
        setting.check(f"{stem}: only the program can be executed", right, modes)
        texts = members[f"{stem}/THIRD-PARTY-LICENCES"][0].decode()
        setting.check(f"{stem} has the licences of the crates", "\ntokio 1." in texts and "Permission is hereby granted" in texts, texts[:500])
