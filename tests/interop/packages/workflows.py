"""Do the workflows take only what is pinned, with the least permissions, and secrets only where no login without one exists?"""

import json
import re

from .setting import ROOT, VENV, output

AS_JSON = "import json, sys, yaml; print(json.dumps({path: yaml.load(open(path), yaml.BaseLoader) for path in sys.argv[1:]}))"
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
# Apple has no other login for those who sign.
WITH_SECRETS = {"sign-macos"}


def check(setting):
    paths = sorted((ROOT / ".github/workflows").glob("*.yml"))
    for path in paths:
        used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines() if "uses:" in line]
        loose = [line for line in used if not PINNED.match(line)]
        setting.check(f"{path.name} takes each action by its commit", used and not loose, loose)
    workflows = {path.rsplit("/", 1)[1]: told for path, told in json.loads(output([VENV / "bin/python", "-c", AS_JSON, *paths])[0]).items()}
    jobs = workflows["release.yml"]["jobs"]
    own = workflows["release.yml"]["permissions"] == {} and all("permissions" in job for job in jobs.values())
    setting.check("a release gives each job its own permissions", own)
    secret = {name for name, job in jobs.items() if "secrets." in json.dumps(job)}
    setting.check("only signing for macOS has secrets", secret == WITH_SECRETS, secret)
    writing = {name for name, job in jobs.items() if set(job["permissions"].values()) & {"write"}}
    named = {name for name in writing if "environment" in jobs[name] or jobs[name].get("if") == "github.event_name == 'push'"}
    setting.check("a job that may write waits for a person or a tag", writing == named, writing - named)
    published = [name for name, job in jobs.items() if job.get("environment") == "release"]
    setting.check("everything is published after a person has agreed", len(published) == 4, published)
