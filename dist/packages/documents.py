"""Which documents come with the program: completions, the manual, licences, the changelog?"""

import os
import subprocess
import tempfile
from pathlib import Path

from facts import ROOT
from fixed import File


def documents(facts, generated):
    """Completions and pages of the manual, from the folder `generated`, or else from the program's definitions."""
    if generated:
        return read(Path(generated))
    with tempfile.TemporaryDirectory() as folder:
        command = ["cargo", "run", "--quiet", "--locked", "--example", "generate", "--", folder]
        dated = os.environ | {"SOURCE_DATE_EPOCH": str(facts.epoch)}
        subprocess.run(command, cwd=ROOT, env=dated, check=True, stdout=subprocess.DEVNULL)
        return read(Path(folder))


def read(folder):
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return [File(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]


def texts():
    """What every archive has at its top."""
    names = ["README.md", "CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"]
    return [File(name, (ROOT / name).read_bytes()) for name in names]
