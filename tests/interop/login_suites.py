"""The suites about logins: other people's authorization servers, conformance suite, and browser."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"

# Optional scenarios in no requirement set: servers of the first revision with authorization.
FIRST_REVISION = ["auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"]


# Scenarios that require a login during a session, which must work through a translator too, and one simple scenario.
ACROSS = [
    *["auth/metadata-default", "auth/scope-step-up", "auth/scope-retry-limit"],
    "auth/authorization-server-migration",
]

# How the client uses the server: see `login_conformance.mjs`.
MANNERS = ["direct", "patient"]


class LoginSuites:
    """Part of `Suite` in `run`."""

    def auth_conformance(self):
        suite = ["node", MODULES / "@modelcontextprotocol/conformance/dist/index.js"]
        listed = self.scenarios("client")
        wanted = [(scenario, "2025-03-26", "2025-03-26", manner) for scenario in FIRST_REVISION for manner in MANNERS]
        for revision, other in (("2025-11-25", "2026-07-28"), ("2026-07-28", "2025-11-25")):
            listing = self.capture([*suite, "list", "--client", "--requirements", revision], self.scratch)
            # A name that appears twice is a required scenario and a scenario that is only reported.
            found = dict.fromkeys(re.findall(r"^ +- (auth/\S+)", listing, re.MULTILINE))
            if not found:
                self.report(f"auth-conformance/{revision}: has scenarios", False, listing)
            wanted += [(scenario, revision, revision, manner) for scenario in found for manner in MANNERS]
            across = [scenario for scenario in ACROSS if revision in listed[scenario]]
            wanted += [(scenario, revision, other, manner) for scenario in across for manner in MANNERS]
        there = {scenario for scenario in listed if scenario.startswith("auth/")}
        left_out = there - {scenario for scenario, *_ in wanted}
        self.report("auth-conformance: every scenario is run", not left_out, f"not {left_out}")

        def attempt(what):
            scenario, revision, client, manner = what
            home = self.home(f"conformance-{revision}-{client}-{manner}-{scenario}")
            client = f"node {HERE / 'login_conformance.mjs'} {self.ferry} {home} {client} {manner}"
            # Forced, because an extension belongs to no revision and uses the given one.
            command = [*suite, "client", "--scenario", scenario, "--spec-version", revision, "--force", "--command", client]
            return what, self.capture(command, home)

        # Each scenario mostly waits for processes to start.
        with ThreadPoolExecutor(3) as pool:
            for (scenario, revision, client, manner), output in pool.map(attempt, wanted):
                passed = "OVERALL: PASSED" in output and " 0 failed, 0 warnings" in output
                crossed = f", client of {client}" if client != revision else ""
                how = ", a client that lists until the tool is there" if manner == "patient" else ""
                self.report(f"auth-conformance/{revision}: {scenario}{crossed}{how}", passed, output)

    def oidc(self):
        library = self.debian("libfaketime", "/usr/lib/*/faketime/libfaketime.so.1")
        home = self.home("oidc")
        self.follow("oidc", ["node", HERE / "oidc.mjs", self.ferry, home], self.environment(home) | {"LIBFAKETIME": library})

    def browser(self):
        self.debian("chromium", "/usr/bin/chromium", "fonts-dejavu-core")
        self.driver("node", HERE / "chromium.mjs")

    def debian(self, package, pattern, *others):
        """The file of this package, which is installed first if it is missing."""
        found = sorted(glob(pattern))
        if not found:
            print(f"installing {package} from Debian", flush=True)
            for command in (["update"], ["install", "--yes", "--no-install-recommends", package, *others]):
                subprocess.run(["apt-get", "-qq", *command], check=True, stdout=subprocess.DEVNULL)
            found = sorted(glob(pattern))
        return found[0]
