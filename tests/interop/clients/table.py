"""How does what was seen become a table for people?"""

import json
import re
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "README.md"
MARKS = re.compile(r"(?<=<!-- clients -->\n).*(?=<!-- end -->)", re.DOTALL)


def version(package):
    """The version of this package that is installed, from npm or PyPI."""
    for listing in (HERE / "package.json", HERE.parent / "package.json"):
        if found := json.loads(listing.read_text())["dependencies"].get(package):
            return found
    return re.search(rf"^{package}==(.+)$", (HERE.parent / "requirements.txt").read_text(), re.MULTILINE)[1]


def rows(attempts, scenarios):
    """One row for each client, one column for each scenario."""
    agents = list(dict.fromkeys(type(attempt.agent) for attempt in attempts))
    cells = {(type(attempt.agent), attempt.scenario): attempt for attempt in attempts}
    head = ["client", *(scenario.title for scenario in scenarios)]
    lines = [head, ["---"] * len(head)]
    for agent in agents:
        shown = [cells[agent, scenario] for scenario in scenarios]
        lines.append([f"{agent.name} {version(agent.package)}", *(attempt.cell + ("" if attempt.passed() else " (!)") for attempt in shown)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_table(attempts, groups):
    """Writes the tables into the README beside this file."""
    tables = "\n\n".join(rows(attempts, scenarios) for scenarios in groups)
    PAGE.write_text(MARKS.sub(lambda _: f"{tables}\n", PAGE.read_text()))
