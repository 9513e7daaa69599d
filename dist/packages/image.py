"""What is in the container image, and how is it written? An OCI layout in one tar, which no tool of containers had to make."""

import hashlib
import json
import time

from fixed import File, gz, tar

# Where the program looks for the authorities that it trusts.
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
# The owner of the process and of its home, which logins are kept below: nobody's number on the machine outside.
USER = 65532
HOME = "home/mcp-ferry"


def image(facts, programs, texts, authorities):
    """An image for each processor, in one index, as registries keep images of several platforms."""
    blobs = {}

    def add(content, kind, **more):
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)} | more

    def document(value, kind, **more):
        return add(json.dumps(value, indent=1).encode(), kind, **more)

    manifests = []
    for program in programs:
        share = f"usr/share/doc/{facts.name}"
        files = [File(f"usr/bin/{facts.name}", program.content, 0o755), File(AUTHORITIES, authorities)]
        files += [File(f"{share}/{file.path}", file.content) for file in texts[program.target]]
        layer = tar(files, facts.epoch, folders(share))
        packed = add(gz(layer), "layer.v1.tar+gzip")
        config = document(configuration(facts, program, layer), "config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": [packed]}
        platform = {"architecture": program.platform.image, "os": "linux"}
        manifests.append(document(manifest, "manifest.v1+json", platform=platform))
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": manifests}
    named = {"org.opencontainers.image.ref.name": facts.version}
    top = {"schemaVersion": 2, "manifests": [document(index, "index.v1+json", annotations=named)]}
    files = [File("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), File("index.json", json.dumps(top, indent=1).encode())]
    files += [File(f"blobs/sha256/{digest}", content) for digest, content in sorted(blobs.items())]
    return tar(files, facts.epoch, [File("blobs/", b"", 0o755), File("blobs/sha256/", b"", 0o755)])


def folders(share):
    parts = share.split("/")
    paths = ["etc/", "etc/ssl/", "etc/ssl/certs/", "home/", "usr/bin/", *["/".join(parts[: end + 1]) + "/" for end in range(len(parts))]]
    own = [File(f"{HOME}/", b"", 0o700, USER)]
    return [*[File(path, b"", 0o755) for path in sorted(paths)], *own, File("tmp/", b"", 0o1777)]


def configuration(facts, program, layer):
    day = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(facts.epoch))
    return {
        "created": day,
        "architecture": program.platform.image,
        "os": "linux",
        "config": {
            "User": f"{USER}:{USER}",
            "Env": ["PATH=/usr/bin", f"HOME=/{HOME}"],
            "Entrypoint": [f"/usr/bin/{facts.name}"],
            "WorkingDir": f"/{HOME}",
            "Labels": {
                "org.opencontainers.image.title": facts.name,
                "org.opencontainers.image.description": facts.description,
                "org.opencontainers.image.version": facts.version,
                "org.opencontainers.image.licenses": facts.licence,
                "org.opencontainers.image.source": facts.repository,
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": day, "created_by": "dist/packages/make"}],
    }
