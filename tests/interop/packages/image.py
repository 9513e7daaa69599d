"""Is the container image well formed, and does its program run with nothing but the image's files?"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

from .setting import initialize, output


def check(setting):
    path = setting.release / f"mcp-ferry-{setting.version}-image.tar"
    with tarfile.open(path) as archive:
        files = {info.name: archive.extractfile(info).read() for info in archive if info.isfile()}
    wrong = [name for name, content in files.items() if name.startswith("blobs/") and hashlib.sha256(content).hexdigest() != name.split("/")[-1]]
    setting.check("each part of the image has the name of its sum", not wrong, wrong)
    said, code = output(["skopeo", "inspect", "--raw", f"oci-archive:{path}"])
    setting.check("skopeo reads the image", code == 0 and '"arm64"' in said, said)
    copy = f"dir:{setting.folder('copy')}"
    said, code = output(["skopeo", "--insecure-policy", "copy", "--all", f"oci-archive:{path}", copy])
    setting.check("skopeo copies it, for every processor", code == 0, said)

    read = lambda descriptor: files[f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"]  # noqa: E731
    index = json.loads(read(json.loads(files["index.json"])["manifests"][0]))
    own = next(one for one in index["manifests"] if one["platform"] == {"architecture": "amd64", "os": "linux"})
    manifest = json.loads(read(own))
    config, layer = json.loads(read(manifest["config"])), gzip.decompress(read(manifest["layers"][0]))
    told = config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    setting.check("the image's layer is the one of its configuration", told, config)
    root = setting.folder("image/root")
    subprocess.run(["tar", "-x", "-p", "--same-owner", "-C", root], input=layer, check=True)
    run(setting, root, config["config"])
    contain(setting, root, config["config"])


def run(setting, root, config):
    """As a runtime does, which only adds the network: other root, user and environment."""
    static = needed_libraries(setting.ferry, root)
    setting.home.chmod(0o755)
    environment = dict(word.split("=", 1) for word in config["Env"])
    command = ["chroot", f"--userspec={config['User']}", root, *config["Entrypoint"]]
    name, _, code = initialize([*command, setting.url], env=environment | {"PATH": f"{environment['PATH']}:/usr/sbin"})
    what = "alone" if static else "with its C library, because it is not static"
    setting.check(f"the image's program connects, {what}", "everything" in name and code == 0, f"{name} {code}")
    kept = root / config["WorkingDir"].lstrip("/")
    setting.check("the image's user can keep logins", kept.stat().st_uid == int(config["User"].split(":")[0]), kept)
    bundle = (root / "etc/ssl/certs/ca-certificates.crt").read_text()
    setting.check("the image has authorities to trust", bundle.count("BEGIN CERTIFICATE") > 50, len(bundle))


def contain(setting, root, config):
    """By a runtime, in namespaces of its own but for the network. Where this machine gives none, nothing is tried."""
    if output(["unshare", "--mount", "--pid", "--fork", "true"])[1] != 0:
        return
    bundle = root.parent
    output(["runc", "spec"], cwd=bundle)
    spec = json.loads((bundle / "config.json").read_text())
    user = int(config["User"].split(":")[0])
    told = {"terminal": False, "args": [*config["Entrypoint"], setting.url], "env": config["Env"], "user": {"uid": user, "gid": user}}
    spec["root"] = {"path": root.name, "readonly": False}
    spec["process"] |= told | {"cwd": config["WorkingDir"]}
    spec["linux"]["namespaces"] = [one for one in spec["linux"]["namespaces"] if one["type"] != "network"]
    (bundle / "config.json").write_text(json.dumps(spec))
    name, _, code = initialize(["runc", "run", f"mcp-ferry-{os.getpid()}"], cwd=bundle)
    setting.check("the image's program connects in a container", "everything" in name and code == 0, f"{name} {code}")


def needed_libraries(program, root):
    """Brings what a program that is not static needs."""
    said, code = output(["ldd", program])
    paths = [word for line in said.splitlines() for word in line.split() if word.startswith("/") and os.path.exists(word)]
    for path in paths if code == 0 else []:
        (root / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, root / path.lstrip("/"))
    return not paths or code != 0
