"""What is in the program? A software bill of materials: CycloneDX 1.6, as JSON."""

import hashlib
import json
import time
import tomllib
import uuid

import crates
from facts import ROOT

OF_UNIVERSAL = ["aarch64-apple-darwin", "x86_64-apple-darwin"]


def crates_of(target):
    parts = OF_UNIVERSAL if target == "universal-apple-darwin" else [target]
    return crates.joined([crates.crates(part) for part in parts])


def sbom(facts, program, listed):
    sums = checksums()
    ours, *others = listed
    components = [component(crate, sums) for crate in others]
    digest = hashlib.sha256(program.content).hexdigest()
    main = component(ours, sums) | {
        "type": "application",
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "properties": [{"name": "target", "value": program.target}],
    }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # Of this very program, so that the same program has the same document.
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, f"{facts.url(program.target)}#{digest}").urn,
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(facts.epoch)),
            "component": main,
        },
        "components": components,
        "dependencies": [{"ref": crate.reference, "dependsOn": crate.needs} for crate in listed],
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def component(crate, sums):
    made = {
        "type": "library",
        "bom-ref": crate.reference,
        "name": crate.name,
        "version": crate.version,
        "description": " ".join(crate.description.split()),
        "scope": "required" if crate.is_in_program else "excluded",
        "licenses": [{"expression": crate.licence}],
        "purl": crate.reference,
        "externalReferences": [{"type": "vcs", "url": crate.repository}],
    }
    if (crate.name, crate.version) in sums:
        made["hashes"] = [{"alg": "SHA-256", "content": sums[crate.name, crate.version]}]
    if not crate.repository:
        del made["externalReferences"]
    return made


def checksums():
    locked = tomllib.loads((ROOT / "Cargo.lock").read_text())["package"]
    return {(package["name"], package["version"]): package["checksum"] for package in locked if "checksum" in package}
