"""Do the installers for shells install what has the right sum, and nothing else?"""

import re
import shutil

from .setting import HERE, output, serving


def check(setting):
    script = setting.release / "install.sh"
    said, _ = output(["shellcheck", "--shell=sh", script])
    setting.check("shellcheck has nothing to say of install.sh", said == "", said)
    sums = dict(reversed(line.split("  ")) for line in (setting.release / "SHA256SUMS").read_text().splitlines())
    archives = {name: digest for name, digest in sums.items() if name.endswith((".tar.gz", ".zip"))}
    check_shell(setting, script, {name: digest for name, digest in archives.items() if name.endswith(".tar.gz")})
    # No PowerShell can be had for Debian from a registry: its text is parsed and compared, and Windows runs it in the release.
    said, _ = output([setting.node, HERE / "powershell.mjs", setting.release / "install.ps1"])
    setting.check("install.ps1 is well formed", said == "parsed\n", said)
    text = (setting.release / "install.ps1").read_text()
    told = {f"{name}.zip": digest for name, digest in re.findall(r"Name = '([^']*)'; Sum = '([^']*)'", text)}
    setting.check("install.ps1 has the sums of the archives", told == {name: one for name, one in archives.items() if name.endswith(".zip")}, told)
    setting.check("no word of the templates is left", not re.search(r"@[A-Z]+@", text + script.read_text()))


def check_shell(setting, script, archives):
    told = dict(re.findall(r"target=(\S+) sum=(\S+)", script.read_text()))
    right = {f"mcp-ferry-{setting.version}-{target}.tar.gz": digest for target, digest in told.items()} == archives
    setting.check("install.sh has the sums of the archives", right, told)
    altered = setting.folder("altered")
    for name in archives:
        shutil.copy(setting.release / name, altered / name)
        with open(altered / name, "ab") as archive:
            archive.write(b"\n")
    for shell in ("sh", "bash"):
        with serving(setting.release) as url, serving(altered) as other:
            home = setting.folder(f"installed with {shell}")
            environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "MCP_FERRY_DOWNLOAD_URL": other}
            program = home / ".local/bin/mcp-ferry"
            said, code = output([shell, script], env=environment)
            setting.check(f"{shell}: another sum is refused", code == 1 and "instead of" in said and not program.exists(), said)
            environment["MCP_FERRY_DOWNLOAD_URL"] = url
            # Through a pipe, as the README has it, and again over the first.
            for time in ("new", "again"):
                with script.open() as text:
                    said, code = output([shell], stdin=text, env=environment)
                same = program.exists() and program.read_bytes() == setting.ferry.read_bytes()
                setting.check(f"{shell}: the program is installed, {time}", code == 0 and same and str(program) in said, said)
            said, code = output([program, "--version"])
            setting.check(f"{shell}: it runs", said == f"mcp-ferry {setting.version}\n", said)
            elsewhere = home / "other folder"
            output([shell, script], env=environment | {"MCP_FERRY_INSTALL_DIR": str(elsewhere)})
            setting.check(f"{shell}: into a folder of the user's choice", (elsewhere / "mcp-ferry").exists())
            (elsewhere / "taken/mcp-ferry").mkdir(parents=True)
            said, code = output([shell, script], env=environment | {"MCP_FERRY_INSTALL_DIR": str(elsewhere / "taken")})
            kept = not list((elsewhere / "taken/mcp-ferry").iterdir())
            setting.check(f"{shell}: a folder in the program's place is refused", code == 1 and kept and "nothing was installed" in said, said)
            said, code = output([shell, script], env=environment | {"HOME": ""})
            setting.check(f"{shell}: without HOME it asks for a folder", code == 1 and "MCP_FERRY_INSTALL_DIR" in said, said)
            environment["MCP_FERRY_DOWNLOAD_URL"] = f"{url}/nowhere"
            said, code = output([shell, script], env=environment)
            setting.check(f"{shell}: an archive that is not there is said", code == 1 and "cannot load" in said, said)
