"""What is in the npm packages: one with the launcher, and one for each platform with its program?"""

import json

from facts import HERE
from fixed import File, gz, tar


def packages(facts, programs, texts, extra):
    """The names of the packages' files and their bytes. The launcher's package is the last to be published."""
    licences = [file for file in texts if file.path.startswith("LICENSE")]
    made = [of_platform(facts, program, [*licences, *extra[program.target]]) for program in programs]
    return [*made, launcher(facts, programs, licences)]


def name_of(facts, program):
    return f"{facts.npm['scope']}/{program.platform.npm['name']}"


def of_platform(facts, program, texts):
    listed = program.platform.npm
    manifest = common(facts, name_of(facts, program), f"The program of {facts.name} for {listed['name']}") | {
        "os": listed["os"],
        "cpu": listed["cpu"],
        # Plug'n'Play would keep it inside a zip, where nothing can start it.
        "preferUnplugged": True,
    }
    readme = f"The program of [{facts.name}]({facts.repository}) for {listed['name']}. Install `{facts.name}` instead.\n"
    files = [File(f"bin/{program.file}", program.content, 0o755), File("README.md", readme.encode()), *texts]
    return pack(facts, manifest, files)


def launcher(facts, programs, licences):
    manifest = common(facts, facts.name, facts.description) | {
        "keywords": facts.keywords,
        "bin": {facts.name: "launch.js"},
        "optionalDependencies": {name_of(facts, program): facts.version for program in programs},
    }
    script = (HERE / "launch.js").read_text()
    places = {
        f"{system}-{processor}": f"{name_of(facts, program)}/bin/{program.file}"
        for program in programs for system in program.platform.npm["os"] for processor in program.platform.npm["cpu"]
    }  # fmt: skip
    script = script.replace("require('./programs.json')", json.dumps(places, indent=2))
    readme = facts.fill("registry.md", run=f"npx -y {facts.name}")
    files = [File("launch.js", script.encode(), 0o755), File("README.md", readme.encode()), *licences]
    return pack(facts, manifest, files)


def common(facts, name, description):
    return {
        "name": name,
        "version": facts.version,
        "description": description,
        "license": facts.licence,
        "repository": {"type": "git", "url": f"git+{facts.repository}.git"},
        "engines": {"node": facts.npm["node"]},
    }


def pack(facts, manifest, files):
    files = [File("package.json", (json.dumps(manifest, indent=2) + "\n").encode()), *files]
    files = [File(f"package/{file.path}", file.content, file.mode) for file in files]
    name = manifest["name"].lstrip("@").replace("/", "-")
    return f"{name}-{facts.version}.tgz", gz(tar(files, facts.epoch))
