"""What is in the wheels that `pip`, `uvx` and `pipx` install?"""

import base64
import hashlib
import re

from fixed import File, zip_archive


def version(facts):
    """1.0.0-rc.1 is 1.0.0rc1 in Python's spelling."""
    return re.sub(r"-(alpha|beta|rc)\.?", lambda kind: {"alpha": "a", "beta": "b", "rc": "rc"}[kind[1]], facts.version)


def wheel(facts, program, texts, extra):
    """The name of a wheel and its bytes: the program as a script, which installers put on the path."""
    name, number = facts.name.replace("-", "_"), version(facts)
    info, data = f"{name}-{number}.dist-info", f"{name}-{number}.data"
    licences = [file for file in texts if file.path.startswith("LICENSE")]
    # In a file's name they are sorted.
    tags = sorted(program.platform.wheel)
    files = [
        File(f"{data}/scripts/{program.file}", program.content, 0o755),
        File(f"{info}/METADATA", metadata(facts, number, licences)),
        File(f"{info}/WHEEL", wheel_file(tags)),
        *[File(f"{info}/licenses/{file.path}", file.content) for file in licences],
        *[File(f"{info}/{'sboms/' if file.path.endswith('.json') else 'licenses/'}{file.path}", file.content) for file in extra],
    ]
    record = "".join(f"{file.path},sha256={digest(file.content)},{len(file.content)}\n" for file in files)
    files.append(File(f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode()))
    return f"{name}-{number}-py3-none-{'.'.join(tags)}.whl", zip_archive(files, facts.epoch)


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def metadata(facts, number, licences):
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {facts.name}",
        f"Version: {number}",
        f"Summary: {facts.description}",
        f"License-Expression: {facts.licence}",
        *[f"License-File: {file.path}" for file in licences],
        f"Keywords: {','.join(facts.keywords)}",
        f"Project-URL: Source, {facts.repository}",
        f"Project-URL: Changelog, {facts.repository}/blob/v{facts.version}/CHANGELOG.md",
        f"Requires-Python: {facts.pypi['python']}",
        "Description-Content-Type: text/markdown",
    ]
    return ("\n".join(lines) + "\n\n" + facts.fill("registry.md", run=f"uvx {facts.name}")).encode()


def wheel_file(tags):
    lines = ["Wheel-Version: 1.0", "Generator: mcp-ferry", "Root-Is-Purelib: false", *[f"Tag: py3-none-{tag}" for tag in tags]]
    return ("\n".join(lines) + "\n").encode()
