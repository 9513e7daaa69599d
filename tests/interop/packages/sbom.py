"""Are the bills of materials valid, and do they name what cargo says is in the program?"""

import hashlib
import json

from .files import archives
from .setting import ROOT, VENV, output

# All versions of a lock file's crates that a target's program needs, as cargo sees it.
TREE = ["cargo", "tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--target"]
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
print(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()) or "valid")
"""


def check(setting):
    found = archives(setting)
    for path in sorted(setting.release.glob("*.cdx.json")):
        said, _ = output([VENV / "bin/python", "-c", VALIDATE, path])
        setting.check(f"{path.name} is valid CycloneDX", said == "valid\n", said)
        document = json.loads(path.read_text())
        stem = path.name.removesuffix(".cdx.json")
        program = "mcp-ferry.exe" if "windows" in stem else "mcp-ferry"
        digest = document["metadata"]["component"]["hashes"][0]["content"]
        own = hashlib.sha256(found[stem][f"{stem}/{program}"][0]).hexdigest()
        setting.check(f"{path.name} is of the program in the archive", digest == own)
        same = found[stem][f"{stem}/sbom.cdx.json"][0] == path.read_bytes()
        setting.check(f"{path.name} is in the archive", same)
    target = "x86_64-unknown-linux-musl"
    document = json.loads((setting.release / f"mcp-ferry-{setting.version}-{target}.cdx.json").read_text())
    named = {f"{one['name']} v{one['version']}" for one in document["components"] if one["scope"] == "required"}
    tree, _ = output([*TREE, target], cwd=ROOT)
    inside = {" ".join(line.split()[:2]) for line in tree.splitlines() if line.strip()} - {f"mcp-ferry v{setting.version}"}
    setting.check(f"the bill of {target} names the crates of cargo tree", named == inside, named ^ inside)
