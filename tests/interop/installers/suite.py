"""The suite `installers`: the same files for each program that writes servers into the configurations of others."""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .judge import WORDS, judge
from .tools import HERE, VENV, tools

PAGE = HERE.parents[2] / "dist/docs/editing.md"
AT_ONCE = 3
# A program that asks in spite of all options is ended.
PATIENCE = 60


class InstallerSuite:
    """Part of `Suite` in `run`."""

    def installers(self):
        self.install_installers()
        only = re.compile(os.environ.get("INSTALLERS_ONLY", ""))
        wanted = [tool for tool in tools(self.ferry, self.node) if only.search(f"{tool.name} {tool.client}")]
        if any(tool.client == "itself" for tool in wanted):
            self.install_clients()
        rows = []
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for tool in wanted:
                files = tool.files(tool.key)
                judged = list(pool.map(lambda content: self.run_installer(tool, content), files.values()))
                rows.append((tool, judged))
                counts = ", ".join(f"{word} {[each for each, _ in judged].count(word)}" for word in WORDS)
                print(f"| {tool.name}, {tool.client}: {counts}", flush=True)
                for name, (word, gone) in zip(files, judged):
                    print(f"|   {name}: {word}, {gone} bytes gone", flush=True)
                if tool.name == "mcp-ferry install":
                    wrong = [name for name, (word, _) in zip(files, judged) if word not in ("added", "refused")]
                    title = f"installers: mcp-ferry leaves a file as it is but for its entry, or says why it cannot: {tool.client}"
                    self.report(title, not wrong, f"{wrong}\n")
        if self.write:
            write_page(rows)
        elif not only.pattern:
            self.report("installers: the page has this table", table(rows) in PAGE.read_text(), "see --write\n")

    def install_installers(self):
        if not (HERE / "node_modules").is_dir():
            npm = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            subprocess.run(npm, cwd=HERE, check=True)
        if not VENV.is_dir():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
            pip = [VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
            subprocess.run(pip, check=True)

    def run_installer(self, tool, before):
        home = Path(tempfile.mkdtemp(dir=self.scratch))
        path = home / tool.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(before)
        (home / "server.py").write_text("from fastmcp import FastMCP\nmcp = FastMCP('docs')\n")
        code = 0
        for command in tool.commands:
            environment = {"HOME": str(home), "PATH": self.path, "CI": "1", "NO_COLOR": "1"} | tool.env
            try:
                ran = subprocess.run(
                    command, env=environment, cwd=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, timeout=PATIENCE,
                )  # fmt: skip
                code = code or ran.returncode
                if os.environ.get("INSTALLERS_OUTPUT"):
                    print(ran.stdout.decode(errors="replace")[-1500:])
            except subprocess.TimeoutExpired:
                code = "asks"
        after = path.read_bytes() if path.exists() else b""
        return judge(tool.kind, before, after, code)


def table(rows):
    """One row for each program and client."""
    lines = ["| program | writes for | files | only its entry added | reformatted | damaged | refused | untouched, but exit 0 | bytes gone |"]
    lines.append("|" + " --- |" * 9)
    for tool, judged in rows:
        words = [word for word, _ in judged]
        counts = " | ".join(str(words.count(word)) for word in WORDS)
        lines.append(f"| {tool.name} | {tool.client} | {len(judged)} | {counts} | {sum(gone for _, gone in judged):,} |")
    return "\n".join(lines)


def write_page(rows):
    before, after = re.split(r"(?<=<!-- installers -->\n).*(?=<!-- end -->)", PAGE.read_text(), flags=re.DOTALL)
    PAGE.write_text(f"{before}{table(rows)}\n{after}")
