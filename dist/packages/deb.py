"""What is in the Debian package, and how is it written?"""

import hashlib
import io
import lzma
import time

from fixed import File, gz, tar

DESCRIPTION = """ Programs that start MCP servers as commands (Claude Desktop, Cursor, Claude
 Code and others) start mcp-ferry, which sends their messages to a remote
 server over HTTP and returns the responses unchanged. It logs in where a server
 asks for it, and translates between revisions of the protocol."""
PLACES = {
    "completions/mcp-ferry.bash": "usr/share/bash-completion/completions/mcp-ferry",
    "completions/_mcp-ferry": "usr/share/zsh/vendor-completions/_mcp-ferry",
    "completions/mcp-ferry.fish": "usr/share/fish/vendor_completions.d/mcp-ferry.fish",
}


def version(facts):
    """What comes before 1.0.0 is 1.0.0~rc.1 in Debian's spelling."""
    return facts.version.replace("-", "~", 1)


def package(facts, program, texts, documents, licences):
    content = {file.path: file.content for file in [*texts, *documents]}
    share = f"usr/share/doc/{facts.name}"
    files = [File(f"usr/bin/{facts.name}", program.content, 0o755)]
    files += [File(place, content[path]) for path, place in PLACES.items()]
    files += [File(f"usr/share/{path.replace('man/', 'man/man1/', 1)}.gz", gz(page)) for path, page in content.items() if path.startswith("man/")]
    files += [
        File(f"{share}/copyright", copyright_file(facts, content)),
        File(f"{share}/third-party-licences.gz", gz(licences)),
        File(f"{share}/changelog.gz", gz(changelog(facts).encode())),
        File(f"{share}/NEWS.gz", gz(content["CHANGELOG.md"])),
    ]
    files.sort(key=lambda file: file.path)
    size = sum(-(-len(file.content) // 1024) for file in files)
    sums = "".join(f"{hashlib.md5(file.content).hexdigest()}  {file.path}\n" for file in files)
    about = [File("./control", control(facts, program, size)), File("./md5sums", sums.encode())]
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": xz(tar(about, facts.epoch, [File("./", b"", 0o755)])),
        "data.tar.xz": xz(tar([File(f"./{file.path}", file.content, file.mode) for file in files], facts.epoch, folders(files))),
    }
    # A release's page would name a file with ~ differently.
    return f"{facts.name}_{version(facts).replace('~', '.')}_{program.platform.deb}.deb", ar(members, facts.epoch)


def control(facts, program, size):
    lines = [
        f"Package: {facts.name}",
        f"Version: {version(facts)}",
        f"Architecture: {program.platform.deb}",
        f"Maintainer: {facts.maintainer}",
        f"Installed-Size: {size}",
        # Where it finds the authorities that it trusts.
        "Recommends: ca-certificates",
        "Section: net",
        "Priority: optional",
        f"Homepage: {facts.repository}",
        f"Description: {facts.description[0].lower()}{facts.description[1:]}",
    ]
    return ("\n".join(lines) + f"\n{DESCRIPTION}\n").encode()


def copyright_file(facts, content):
    short = content["LICENSE-MIT"].decode().strip()
    text = "\n".join(f" {line}" if line.strip() else " ." for line in short.splitlines())
    lines = [
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
        f"Upstream-Name: {facts.name}",
        f"Source: {facts.repository}",
        "",
        "Files: *",
        f"Copyright: {next(line for line in short.splitlines() if line.startswith('Copyright'))[10:].strip()}",
        "License: Expat or Apache-2.0",
        "Comment: The crates in the program, and their licences, are in third-party-licences.gz.",
        "",
        f"License: Expat\n{text}",
        "",
        "License: Apache-2.0",
        " On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.",
    ]
    return ("\n".join(lines) + "\n").encode()


def changelog(facts):
    day = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(facts.epoch))
    change = f"  * Release {facts.version}; its changes are in NEWS.gz."
    return f"{facts.name} ({version(facts)}) stable; urgency=medium\n\n{change}\n\n -- {facts.maintainer}  {day}\n"


def folders(files):
    """Every folder above the files, parents first."""
    paths = {"./"}
    for file in files:
        parts = file.path.split("/")[:-1]
        paths |= {"./" + "/".join(parts[: length + 1]) + "/" for length in range(len(parts))}
    return [File(path, b"", 0o755) for path in sorted(paths)]


def xz(content):
    return lzma.compress(content, check=lzma.CHECK_CRC64, preset=6)


def ar(members, epoch):
    out = io.BytesIO(b"!<arch>\n")
    out.seek(0, io.SEEK_END)
    for name, content in members.items():
        out.write(f"{name:<16}{epoch:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode())
        out.write(content + b"\n" * (len(content) % 2))
    return out.getvalue()
