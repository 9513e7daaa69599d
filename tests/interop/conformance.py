"""The suites `conformance` and `server-conformance`: the official conformance suite, in one era and across the two."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"
ERAS = {"legacy": "2025-11-25", "modern": "2026-07-28"}

ANSWERS_ALL = "its server answers every request with a result, modern requests too, and therefore looks modern"
COUNTS_INITIALIZE = "its server counts the client's initialize, which shows the era, as a modern request without headers"

# Client scenarios whose server appears to be of another era than it is: there --protocol sets the era.
FORCED_ERA = {
    "initialize": ANSWERS_ALL,
    "sse-retry": ANSWERS_ALL,
    "request-metadata": COUNTS_INITIALIZE,
    "http-standard-headers": COUNTS_INITIALIZE,
}

OF_ITS_HTTP = "it tests the server's HTTP, which is not the bridge's"
TASKS = "only the modern era has the tasks extension, and the bridge polls tasks without showing them to a legacy client"

# Server scenarios that do not run through the bridge, with the reasons.
NOT_RUN = {
    "dns-rebinding-protection": OF_ITS_HTTP,
    "http-header-validation": OF_ITS_HTTP,
    "http-custom-header-server-validation": OF_ITS_HTTP,
    "server-sse-polling": OF_ITS_HTTP,
    "tasks-": TASKS,
}

IN_A_HEADER = "the suite sends the revision only in a header, which stdio does not have"

# Checks that cannot pass through any bridge, by the eras of client and server, with the reasons.
EXPECTED_FAILURES = {
    ("modern", "legacy"): {
        "sep-2322-elicitation-incomplete": "it looks for the server's own key of an input request, and a legacy server request has no key",
        "sep-2322-elicitation-complete": "it only follows that check",
        "sep-2322-ignore-unexpected-params": "it sends a response before the input request, and nothing shows to which call the response belongs",
    },
    ("modern", "modern"): {
        "sep-2575-request-meta-invalid-missing-meta": IN_A_HEADER,
        "sep-2575-request-meta-invalid-missing-protocol-version": IN_A_HEADER,
    },
}


class ConformanceSuites:
    """Part of `Suite` in `run`."""

    def conformance(self):
        listed = self.scenarios("client")
        played = set(re.findall(r'^  "?([a-z][\w-]+)"?: ', (HERE / "conformance_client.mjs").read_text(), re.MULTILINE))
        wanted = []
        for scenario, revisions in listed.items():
            # The scenarios about authorization are the suite `auth-conformance`.
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
                flags += ["--protocol", wire] if scenario in FORCED_ERA else []
            home = self.home(f"conformance-{wire}-{driver}-{scenario}")
            client = f"node {HERE / 'conformance_client.mjs'} {self.ferry} {home} {driver} {','.join(flags) or '-'}"
            suite = [*self.conformance_suite(), "client", "--scenario", scenario, "--spec-version", ERAS[wire], "--force"]
            return what, self.capture([*suite, "--command", client], home)

        # Each scenario mostly waits for processes to start.
        with ThreadPoolExecutor(3) as pool:
            for (scenario, wire, driver), output in pool.map(attempt, wanted):
                what = f"{wire} wire" if driver == wire else f"{wire} wire, {driver} client"
                self.report(f"conformance: {scenario}, {what}", passed(output), output)

    def server_conformance(self):
        """Server scenarios against a server of each era: directly, and through the bridge with clients of both eras."""
        listed = self.scenarios("server")
        stale = [name for name in NOT_RUN if not any(scenario.startswith(name) for scenario in listed)]
        self.report("server-conformance: what is not run exists", not stale, f"no such scenarios: {stale}")
        run = {scenario: revisions for scenario, revisions in listed.items() if not scenario.startswith(tuple(NOT_RUN))}
        extensions = [scenario for scenario in run if run[scenario] == ["extension"]]
        servers = {era: self.conformance_peer("conformance_server.mjs", era) for era in ERAS}
        ways = {f"{era} server": (era, servers[era], None) for era in ERAS}
        for client in ERAS:
            for server in ERAS:
                flags = "--client-protocol,modern" if client > server else "-"
                home = self.home(f"server-conformance-{client}-{server}")
                adapter = self.conformance_peer("conformance_adapter.mjs", client, self.ferry, home, flags, servers[server])
                ways[f"{client} client, bridge, {server} server"] = (client, adapter, server)

        def attempt(way):
            era, url, _ = ways[way]
            results = self.scratch / f"server-conformance {way}"
            command = [*self.conformance_suite(), "server", "--url", url, "--spec-version", ERAS[era], "--output-dir", results]
            output = self.capture([*command, "--suite", "all"], self.scratch)
            # Extensions belong to no revision, so no revision's suite contains them.
            for scenario in extensions:
                output += self.capture([*command, "--scenario", scenario, "--force"], self.scratch)
            return way, output, results

        native = {}
        with ThreadPoolExecutor(2) as pool:
            for way, output, results in pool.map(attempt, ways):
                era, _, server = ways[way]
                excused = set(EXPECTED_FAILURES.get((era, server), ()))
                passing = set(excused)
                for scenario in (name for name in run if name in extensions or ERAS[era] in run[name]):
                    read = [json.loads(checks.read_text()) for checks in results.glob(f"server-{scenario}-20*/checks.json")]
                    succeeded = {check["id"] for checks in read for check in checks if check["status"] == "SUCCESS"}
                    expected = native.setdefault((era, scenario), succeeded)
                    passing -= self.lost(f"{way}: {scenario}", read[0] if read else [], expected - succeeded, excused, output)
                self.report(f"server-conformance: {way}: nothing that passes is excused", not passing, f"these pass: {passing}")

    def lost(self, name, checks, missing, excused, output):
        """Reports a scenario and returns its expected failures. A skipped check counts as failed."""
        failed = {check["id"]: check for check in checks if check["status"] in ("FAILURE", "WARNING")}
        lost = missing | set(failed)
        expected = lost & excused
        but = f" (but {', '.join(sorted(expected))})" if expected else ""
        well = any(check["status"] == "SUCCESS" or check["id"] in expected for check in checks) and lost == expected
        self.report(f"server-conformance: {name}{but}", well, f"lost: {lost}\n{json.dumps(failed, indent=1)}" if checks else output)
        return expected

    def conformance_peer(self, script, *arguments):
        """The address of a server of this directory."""
        return self.start(["node", HERE / script, *arguments], stdout=subprocess.PIPE).stdout.readline().decode().strip()

    def conformance_suite(self):
        return ["node", MODULES / "@modelcontextprotocol/conformance/dist/index.js"]

    def scenarios(self, role):
        """Each scenario of a role, and its revisions."""
        listing = self.capture([*self.conformance_suite(), "list", f"--{role}"], self.scratch)
        found = {name: revisions.split(",") for name, revisions in re.findall(r"^ +- (\S+) \[(.+)\]", listing, re.MULTILINE)}
        if not found:
            self.report(f"the conformance suite has {role} scenarios", False, listing)
        return found


def passed(output):
    """Whether a scenario passed and made at least one check."""
    return "OVERALL: PASSED" in output and bool(re.search(r"Passed: [1-9]\d*/\d+, 0 failed, 0 warnings", output))
