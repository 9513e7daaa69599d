"""How do Homebrew, winget and scoop find a release's archives?"""

import hashlib
import json
import time

import archives


def sum_of(content):
    return hashlib.sha256(content).hexdigest()


def formula(facts, made):
    """`made`: pairs of a program and its archive."""
    blocks = {}
    for program, archive in made:
        if program.platform.brew:
            lines = [f'url "{facts.url(archives.name(facts, program))}"', f'sha256 "{sum_of(archive)}"']
            system, *processor = program.platform.brew
            blocks.setdefault(system, []).extend(block(processor[0], lines) if processor else lines)
    # In the order that Homebrew's own check asks for.
    blocks = sorted(blocks.items(), key=lambda one: one[0] != "on_macos")
    text = "\n\n".join("\n".join(f"  {line}" for line in block(system, lines)) for system, lines in blocks)
    licence = ", ".join(f'"{one}"' for one in facts.licence.split(" OR "))
    return facts.fill("formula.rb", archives=text, licence=licence).encode()


def block(name, lines):
    return [f"{name} do", *[f"  {line}" for line in lines], "end"]


def scoop(facts, made):
    def place(version, program, base):
        named = f"{facts.name}-{version}-{program.target}"
        return {"url": f"{base}/{named}.zip", "extract_dir": named}

    mine = [(program, archive) for program, archive in made if program.platform.scoop]
    later = facts.release.replace(facts.version, "$version")
    manifest = {
        "version": facts.version,
        "description": facts.description,
        "homepage": facts.repository,
        "license": facts.licence.replace(" OR ", "|"),
        "architecture": {
            program.platform.scoop: place(facts.version, program, facts.release) | {"hash": sum_of(archive)} for program, archive in mine
        },
        "bin": f"{facts.name}.exe",
        "checkver": {"github": facts.repository},
        "autoupdate": {
            "architecture": {program.platform.scoop: place("$version", program, later) for program, _ in mine},
            "hash": {"url": "$baseurl/SHA256SUMS"},
        },
    }
    return (json.dumps(manifest, indent=4) + "\n").encode()


def winget(facts, made):
    """The three files of a version, by their names."""
    identifier = facts.winget["identifier"]
    entries = []
    for program, archive in made:
        if program.platform.winget:
            path = f"{archives.stem(facts, program)}\\{program.file}"
            entries += [
                f"- Architecture: {program.platform.winget}",
                f"  InstallerUrl: {facts.url(archives.name(facts, program))}",
                f"  InstallerSha256: {sum_of(archive).upper()}",
                "  NestedInstallerFiles:",
                f"  - RelativeFilePath: {path}",
                f"    PortableCommandAlias: {facts.name}",
            ]
    day = time.strftime("%Y-%m-%d", time.gmtime(facts.epoch))
    words = {"identifier": identifier, "licence": facts.licence, "installers": "\n".join(entries), "day": day}
    files = {"": "version", ".installer": "installer", ".locale.en-US": "locale"}
    return {f"{identifier}{part}.yaml": facts.fill(f"winget.{kind}.yaml", **words).encode() for part, kind in files.items()}
