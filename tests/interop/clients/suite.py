"""The suites `clients` and `clients-sample`: programs for agents, each with mcp-ferry as its server."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .agents import AGENTS, MODULES, SAMPLE
from .model import Model
from .scenarios import BAD_DAYS, LOGINS, Attempt
from .table import write_table

HERE = Path(__file__).resolve().parent
AT_ONCE = 3


class Lab:
    """What all attempts share."""

    def __init__(self, ferry, scratch, path, node, other):
        self.ferry, self.scratch, self.path, self.node, self.other = ferry, scratch, path, node, other
        self.model = Model()


class ClientSuites:
    """Part of `Suite` in `run`."""

    def clients(self):
        self.install_clients()
        other = MODULES.parent / "mcp-remote/dist/proxy.js"
        attempts = self.attempts(AGENTS, LOGINS + BAD_DAYS, other)
        same = [
            attempt.agent.name for attempt in attempts
            if attempt.scenario is LOGINS[0] and attempt.cell.endswith("same turn") and not attempt.agent.variant
        ]  # fmt: skip
        if os.environ.get("CLIENTS_ONLY"):
            return
        self.report("clients: the tools are usable in the turn of the login in at least eight clients", len(same) >= 8, f"{same}\n")

    def clients_sample(self):
        self.attempts(SAMPLE, LOGINS + BAD_DAYS, None)

    def attempts(self, agents, scenarios, other):
        scratch = Path(tempfile.mkdtemp(dir=self.scratch))
        lab = Lab(self.ferry, scratch, self.path, self.node, other)
        only = re.compile(os.environ.get("CLIENTS_ONLY", ""))
        wanted = [Attempt(agent, scenario, lab) for scenario in scenarios for agent in agents]
        wanted = [attempt for attempt in wanted if only.search(f"{attempt.agent.name}: {attempt.scenario.title}")]
        # Each attempt mostly waits for processes to start, and for seconds to pass.
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for attempt in pool.map(Attempt.run, wanted):
                title = f"clients/{attempt.agent.name}: {attempt.scenario.title}"
                print(f"| {title} | {attempt.cell} |", flush=True)
                for words, passed in attempt.checks:
                    self.report(f"{title}: {words}", passed)
                if self.write:
                    write_table([attempt], AGENTS, [LOGINS, BAD_DAYS])
                if not attempt.passed():
                    self.evidence(title, attempt.story)
        lab.model.close()
        return wanted

    def evidence(self, title, story):
        sys.stderr.write(f"--- {title}\n{story}\n")

    def install_clients(self):
        """Installs the clients that no other suite uses, which takes long and much room."""
        listing = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
        done = HERE / "node_modules/.installed"
        if done.exists() and done.read_text() == listing:
            return
        print("installing the clients from npm", flush=True)
        shutil.rmtree(HERE / "node_modules", ignore_errors=True)
        # `npm ci` of newer versions refuses a listing without the packages of other systems.
        npm = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=HERE, check=True, stdout=subprocess.DEVNULL)
        done.write_text(listing)
