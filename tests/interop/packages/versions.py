"""Does a version before a release have each registry's spelling, and sort before it?"""

import sys

from .setting import ROOT, VENV, output

SPELL = """
import types, deb, pypi
facts = types.SimpleNamespace(version="1.2.0-rc.1")
print(pypi.version(facts), deb.version(facts))
"""
SORTED = "from packaging.version import Version; import sys; print(str(Version(sys.argv[1])) == sys.argv[1] and Version(sys.argv[1]) < Version('1.2.0'))"


def check(setting):
    said, _ = output([sys.executable, "-B", "-c", SPELL], cwd=ROOT / "dist/packages")
    python, debian = (said.split() + ["", ""])[:2]
    told, _ = output([VENV / "bin/python", "-c", SORTED, python])
    setting.check("Python sorts a version before a release", told == "True\n", said + told)
    code = output(["dpkg", "--compare-versions", debian, "lt", "1.2.0"])[1]
    setting.check("Debian sorts a version before a release", code == 0 and "-" not in debian, said)
