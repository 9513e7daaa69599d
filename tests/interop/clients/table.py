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


def earlier(text):
    """The cells of the tables as they are, by client without its version, and by scenario."""
    cells, head = {}, []
    for line in filter(None, text.splitlines()):
        row = [cell.strip() for cell in line.strip("| ").split(" | ")]
        if row[0] == "client":
            head = row
        elif head and not line.startswith("| ---"):
            cells |= {(row[0].rsplit(" ", 1)[0], title): cell for title, cell in zip(head[1:], row[1:], strict=True)}
    return cells


def rows(cells, agents, scenarios):
    """One row for each client, one column for each scenario."""
    lines = [["client", *(scenario.title for scenario in scenarios)], ["---"] * (len(scenarios) + 1)]
    for agent in agents:
        lines.append([f"{agent.name} {version(agent.package)}", *(cells.get((agent.name, scenario.title), "–") for scenario in scenarios)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write_table(attempts, agents, groups):
    """Writes what these attempts showed into the tables of the README beside this file."""
    page = PAGE.read_text()
    cells = earlier(MARKS.search(page)[0])
    cells |= {(a.agent.name, a.scenario.title): a.cell + ("" if a.passed() else " (!)") for a in attempts}
    tables = "\n\n".join(rows(cells, agents, scenarios) for scenarios in groups)
    PAGE.write_text(MARKS.sub(lambda _: f"{tables}\n", page))
