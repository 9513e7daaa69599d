"""The suites `conformance` and `server-conformance`: the official conformance suite, in one era and across the two."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
ERAS = {"legacy": "2025-11-25", "modern": "2026-07-28"}

ANSWERS_ALL = "its server answers whatever it is asked with a result, modern requests too, and so seems to be modern"
COUNTS_INITIALIZE = "its server counts the client's own initialize, which shows the era, as a modern request without headers"

# Client scenarios whose server shows another era than it has: there the bridge is told, with --protocol, what it would find out.
TOLD = {
    "initialize": ANSWERS_ALL,
    "sse-retry": ANSWERS_ALL,
    "request-metadata": COUNTS_INITIALIZE,
    "http-standard-headers": COUNTS_INITIALIZE,
}


class ConformanceSuites:
    """Part of `Suite` in `run`."""

    def conformance(self):
        listed = self.scenarios("client")
        played = set(re.findall(r'^  "?([a-z][\w-]+)"?: ', (HERE / "conformance_client.mjs").read_text(), re.MULTILINE))
        wanted = []
        for scenario, revisions in listed.items():
            # Those about authorization are the suite `auth-conformance`.
            if scenario.startswith("auth/"):
                continue
            self.report(f"conformance: {scenario} is played", scenario in played)
            # An extension belongs to no revision, and its server speaks both.
            wires = [era for era, revision in ERAS.items() if revision in revisions or revisions == ["extension"]]
            wanted += [(scenario, wire, driver) for wire in wires for driver in ERAS]

        def attempt(what):
            scenario, wire, driver = what
            flags = []
            if driver != wire:
                flags += ["--client-protocol", "modern"] if driver == "modern" else []
                flags += ["--protocol", wire] if scenario in TOLD else []
            home = self.home(f"conformance-{wire}-{driver}-{scenario}")
            client = f"node {HERE / 'conformance_client.mjs'} {self.ferry} {home} {driver} {','.join(flags) or '-'}"
            suite = [*self.conformance_suite(), "client", "--scenario", scenario, "--spec-version", ERAS[wire], "--force"]
            return what, self.capture([*suite, "--command", client], home)

        # Most of a scenario is waiting for processes to start.
        with ThreadPoolExecutor(3) as pool:
            for (scenario, wire, driver), output in pool.map(attempt, wanted):
                what = f"{wire} wire" if driver == wire else f"{wire} wire, {driver} client"
                self.report(f"conformance: {scenario}, {what}", passed(output), output)

    def conformance_suite(self):
        return ["node", MODULES / "@modelcontextprotocol/conformance/dist/index.js"]

    def scenarios(self, role):
        """Each scenario of a role, and the revisions it is of."""
        listing = self.capture([*self.conformance_suite(), "list", f"--{role}"], self.scratch)
        found = {name: revisions.split(",") for name, revisions in re.findall(r"^ +- (\S+) \[(.+)\]", listing, re.MULTILINE)}
        if not found:
            self.report(f"the conformance suite has {role} scenarios", False, listing)
        return found


def passed(output):
    """Whether a scenario ended well, and did not pass by looking at nothing."""
    return "OVERALL: PASSED" in output and bool(re.search(r"Passed: [1-9]\d*/\d+, 0 failed, 0 warnings", output))
