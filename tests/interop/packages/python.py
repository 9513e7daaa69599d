"""Do pip and uv install the wheels without a network, and is each wheel what it says?"""

import base64
import csv
import hashlib
import io
import sys
import zipfile

from .setting import VENV, initialize, output

METADATA = """
import sys
from packaging.metadata import Metadata
from packaging.utils import parse_wheel_filename
for name, text in zip(sys.argv[1::2], sys.argv[2::2]):
    told = Metadata.from_email(text, validate=True)
    assert (str(told.name), told.version) == parse_wheel_filename(name, validate_order=True)[:2], name
print("valid")
"""


def check(setting):
    wheels = sorted((setting.made / "pypi").glob("*.whl"))
    texts = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
            info = next(name for name in names if name.endswith("/RECORD"))
            record = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(info).decode()))}
            right = set(record) == set(names) and all(
                digest == f"sha256={coded(archive.read(name))}" for name, digest in record.items() if name != info
            )
            setting.check(f"{wheel.name} is as its RECORD says", right, record)
            texts += [wheel.name, archive.read(info.replace("RECORD", "METADATA")).decode()]
    said, _ = output([VENV / "bin/python", "-c", METADATA, *texts])
    setting.check("the wheels have valid metadata, that of their names", said == "valid\n", said)

    folder, home = setting.made / "pypi", setting.folder("python")
    output([sys.executable, "-m", "venv", home / "venv"])
    pip = [home / "venv/bin/pip", "--disable-pip-version-check"]
    said, code = output([*pip, "install", "--no-index", "--find-links", folder, "mcp-ferry"])
    told, _ = output([home / "venv/bin/mcp-ferry", "--version"])
    setting.check("pip installs the command", told == f"mcp-ferry {setting.version}\n", said + told)
    name, _, code = initialize([home / "venv/bin/mcp-ferry", setting.url], env={"HOME": str(home), "PATH": "/usr/bin:/bin"})
    setting.check("pip's command connects", "everything" in name and code == 0, f"{name} {code}")
    output([*pip, "uninstall", "--yes", "mcp-ferry"])
    left = [str(path) for path in (home / "venv").rglob("*") if "mcp" in path.name and "ferry" in path.name]
    setting.check("pip removes all of it", not left, left)

    environment = {"HOME": str(home), "PATH": f"{VENV}/bin:/usr/bin:/bin"}
    uvx = [VENV / "bin/uvx", "--offline", "--no-index", "--find-links", folder, "mcp-ferry"]
    name, lines, code = initialize([*uvx, setting.url], env=environment, cwd=home)
    setting.check("uvx connects", "everything" in name and code == 0, f"{name} {lines} {code}")


def coded(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
