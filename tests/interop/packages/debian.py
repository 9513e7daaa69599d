"""Is the .deb installed and removed without a trace?"""

import gzip
from pathlib import Path

from .setting import initialize, output


def check(setting):
    package = setting.release / f"mcp-ferry_{setting.version.replace('-', '~', 1)}_amd64.deb"
    for path in setting.release.glob("*.deb"):
        said, code = output(["dpkg-deb", "--info", path])
        setting.check(f"dpkg-deb reads {path.name}", code == 0 and "Depends" not in said, said)
    said, code = output(["dpkg", "--install", package])
    try:
        setting.check("dpkg installs it", code == 0, said)
        listed = [Path(line) for line in output(["dpkg", "--listfiles", "mcp-ferry"])[0].splitlines()]
        files = [path for path in listed if path.is_file()]
        # Containers are set to leave out documentation.
        missing = [str(path) for path in listed if not path.exists() and "/usr/share/" not in str(path)]
        setting.check("its files are there", not missing and Path("/usr/bin/mcp-ferry") in files, missing)
        wrong = [str(path) for path in files if path.stat().st_uid != 0 or path.stat().st_mode & 0o022]
        setting.check("they belong to root, and others cannot write them", not wrong, wrong)
        said, code = output(["dpkg", "--verify", "mcp-ferry"])
        changed = [line for line in said.splitlines() if not line.startswith("missing")]
        setting.check("dpkg knows their sums", not changed, said)
        environment = {"HOME": str(setting.folder("debian")), "PATH": "/usr/bin:/bin"}
        name, _, code = initialize(["mcp-ferry", setting.url], env=environment)
        setting.check("the command connects", "everything" in name and code == 0, f"{name} {code}")
    finally:
        said, code = output(["dpkg", "--purge", "mcp-ferry"])
    left = [str(path) for path in files if path.exists()]
    setting.check("dpkg removes all of it", code == 0 and not left, f"{said}{left}")

    folder = setting.folder("deb")
    output(["dpkg-deb", "--extract", package, folder])
    pages = sorted(folder.glob("usr/share/man/man1/*.gz"))
    right = all(gzip.decompress(page.read_bytes()).startswith(b".ie") or b".TH" in gzip.decompress(page.read_bytes()) for page in pages)
    setting.check("it has the manual", len(pages) >= 8 and right, pages)
    share = folder / "usr/share/doc/mcp-ferry"
    setting.check("it has copyright and changelog", {"copyright", "changelog.gz"} <= {path.name for path in share.iterdir()})
