"""Does `npx mcp-ferry URL` work on each Node, with scripts forbidden, from a registry that is on this machine?"""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote

from .setting import MODULES, initialize, output, serving

# An npm that runs on that Node.
NPM = {"18": "npm10", "20": "npm11", "24": "npm11"}


def registry(folder, fetched):
    """A registry of the packages in a folder, which notes the archives that it gave out."""
    documents = {}
    for path in folder.glob("*.tgz"):
        with tarfile.open(path) as archive:
            manifest = json.load(archive.extractfile("package/package.json"))
        documents[manifest["name"]] = (path, manifest)

    class Registry(BaseHTTPRequestHandler):
        def __init__(self, *arguments, directory):
            super().__init__(*arguments)

        def do_GET(self):
            name = unquote(self.path.lstrip("/"))
            if name.startswith("files/"):
                fetched.append(name.removeprefix("files/"))
                return self.answer(200, (folder / name.removeprefix("files/")).read_bytes())
            if name not in documents:
                return self.answer(404, b"{}")
            path, manifest = documents[name]
            digest = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
            place = {"tarball": f"http://{self.headers['host']}/files/{path.name}", "integrity": f"sha512-{digest}"}
            version = manifest["version"]
            listed = {"name": name, "dist-tags": {"latest": version}, "versions": {version: manifest | {"dist": place}}}
            self.answer(200, json.dumps(listed).encode())

        def answer(self, status, content):
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    return Registry


def check(setting):
    folder, fetched = setting.made / "npm", []
    for path in folder.glob("*.tgz"):
        with tarfile.open(path) as archive:
            manifest = json.load(archive.extractfile("package/package.json"))
        setting.check(f"{path.name} has no scripts", "scripts" not in manifest, manifest)
    with serving(folder, registry(folder, fetched)) as url:
        for number, npm in NPM.items():
            check_node(setting, number, npm, url, fetched)


def check_node(setting, number, npm, url, fetched):
    node = setting.node if number == "24" else MODULES / f"node{number}/bin/node"
    home = setting.folder(f"node{number}")
    tool = MODULES / npm / "bin"
    environment = {
        **{"HOME": str(home), "PATH": f"{node.parent}:/usr/bin:/bin", "npm_config_update_notifier": "false"},
        **{"npm_config_registry": url, "npm_config_ignore_scripts": "true", "npm_config_prefix": str(home / "global")},
    }
    options = {"env": environment, "cwd": home}
    npx = [node, tool / "npx-cli.js", "--yes", f"mcp-ferry@{setting.version}"]
    fetched.clear()
    name, lines, code = initialize([*npx, setting.url], **options)
    setting.check(f"node {number}: npx connects", "everything" in name and code == 0, f"{name} {code}")
    wanted = {f"mcp-ferry-{setting.version}.tgz", f"mcp-ferry-linux-x64-{setting.version}.tgz"}
    setting.check(f"node {number}: npx loads this platform's program alone", set(fetched) == wanted, fetched)
    if output([node, "-p", "typeof process.execve"])[0] == "function\n":
        left = [line for line in lines if "node" in line.split(" ")[0] and ".bin/mcp-ferry" in line]
        setting.check(f"node {number}: the launcher's process is gone", not left, lines)

    said, code = output([node, tool / "npm-cli.js", "install", "--global", f"mcp-ferry@{setting.version}"], **options)
    command = home / "global/bin/mcp-ferry"
    told, status = output([command, "--version"], **options)
    setting.check(f"node {number}: npm installs the command", told == f"mcp-ferry {setting.version}\n", said + told)
    status = output([command, "--no-such-option"], **options)[1]
    setting.check(f"node {number}: the exit status is the program's", status == output([setting.ferry, "--no-such-option"])[1], status)
    check_signals(setting, number, command, options)

    package = home / "global/lib/node_modules/mcp-ferry"
    program = package / "node_modules/@mcp-ferry/linux-x64/bin/mcp-ferry"
    program.chmod(0o644)
    told, status = output([command, "--version"], **options)
    named = status == 1 and "cannot be started" in told and str(program) in told and "hint: " in told
    setting.check(f"node {number}: it says why the program cannot be started", named, f"{told} {status}")
    shutil.rmtree(package / "node_modules")
    told, status = output([command, "--version"], **options)
    named = status == 1 and "@mcp-ferry/linux-x64 is not installed" in told and "hint: " in told
    setting.check(f"node {number}: it says which package is missing", named, told)


def check_signals(setting, number, command, options):
    """The launcher ends as the program does that gets the signal itself."""
    ends = []
    for program in ([command, setting.url], [setting.ferry, setting.url]):
        process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
        process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        process.stdin.flush()
        process.stdout.readline()
        os.kill(process.pid, signal.SIGTERM)
        try:
            ends.append(process.wait(30))
        except subprocess.TimeoutExpired:
            process.kill()
            ends.append("never")
    setting.check(f"node {number}: SIGTERM ends the program, and the status is the same", ends[0] == ends[1] != "never", ends)
