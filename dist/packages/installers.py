"""What do the installers for shells know of the release: which archive is for which machine, and its sum?"""

import hashlib

import archives


def shell(facts, made):
    """A branch of `case` for each machine."""
    lines = []
    for program, archive in made:
        if program.platform.uname:
            system, processors = program.platform.uname
            patterns = " | ".join(f"{system}-{processor.strip()}" for processor in processors.split("|"))
            lines.append(f"{patterns}) target={program.target} sum={hashlib.sha256(archive).hexdigest()} ;;")
    return facts.fill("install.sh", machines="\n    ".join(lines)).encode()


def powershell(facts, made):
    """An entry of a table for each processor."""
    lines = []
    for program, archive in made:
        if program.platform.powershell:
            entry = f"Name = '{archives.stem(facts, program)}'; Sum = '{hashlib.sha256(archive).hexdigest()}'"
            lines.append(f"        {program.platform.powershell} = @{{ {entry} }}")
    return facts.fill("install.ps1", machines="\n".join(lines)).encode()
