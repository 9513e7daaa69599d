"""Runs the project's own tests, built for Windows, under wine."""

import json
import re
import subprocess
import threading
from pathlib import Path

import wine

HERE = Path(__file__).resolve().parent
TARGET = "x86_64-pc-windows-gnu"
PATIENCE = 900
# The test programs by the kind of their code.
PROGRAMS = {"lib": "units", "test": "it"}


def listed(file):
    """The words of a file by the test program that stands before them."""
    words = {program: [] for program in PROGRAMS.values()}
    for line in (HERE / file).read_text().splitlines():
        if line and not line.startswith("#"):
            program, word = line.split()
            words[program].append(word)
    return words


def build():
    command = [HERE.parent / "cargo", TARGET, "build-linted", "--lib", "--bins", "--tests", "--message-format=json-render-diagnostics"]
    built = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    made = [json.loads(line) for line in built.stdout.splitlines()]
    tests = [artifact for artifact in made if artifact.get("executable") and artifact["profile"]["test"]]
    kinds = [(test["target"]["kind"][0], test["executable"]) for test in tests]
    return {PROGRAMS[kind]: program for kind, program in kinds if kind in PROGRAMS}


def start(program, *options):
    """What a test program says."""
    ran = subprocess.Popen(
        [wine.WINE, program, *options], env=wine.environment(), cwd=wine.ROOT, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    watchdog = threading.Timer(PATIENCE, ran.kill)
    watchdog.start()
    said, errors = ran.communicate()
    watchdog.cancel()
    return said, errors


def check(expect):
    only, without = listed("of_the_system"), listed("left_out")
    for name, program in build().items():
        every = re.findall(r"^(\S+): test$", start(program, "--list")[0], re.M)
        asked = [test for test in every if not only[name] or any(part in test for part in only[name])]
        left_out = [test for test in asked if any(part in test for part in without[name])]
        gone = [part for part in only[name] + without[name] if not any(part in test for test in every)]
        expect(f"{name}: each test that a list names is there", bool(every) and not gone, repr(gone))
        said, errors = start(program, *only[name], *[word for part in without[name] for word in ("--skip", part)])
        passed = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. ok$", said, re.M)
        failed = sorted(set(asked) - set(left_out) - set(passed))
        for test in failed:
            expect(f"{name}: {test}", False)
        counts = f"{len(passed)} tests pass, {len(left_out)} are left out because of wine, {len(every) - len(asked)} as not of the system"
        expect(f"{name}: {counts}", bool(passed) and not failed)
        if failed:
            print(said[said.find("\nfailures:") :][:8000], errors[-2000:], flush=True)
