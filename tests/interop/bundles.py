"""Do the extensions of `mcp-ferry bundle` work with the format's own tool, and in Claude Code as their host?"""

import json
import subprocess
from pathlib import Path

import programs

HERE = Path(__file__).resolve().parent
CLAUDE = HERE / "node_modules/.bin/claude"
PACKAGES = {"/bin/busybox": "busybox", "/usr/bin/unzip": "unzip", "/bin/dash": "dash"}
MARKET = "mk"


class BundleSuite:
    def bundle(self):
        programs.install(PACKAGES)
        self.driver("node", HERE / "bundle.mjs")
        self.bundles_in_claude()

    def bundles_in_claude(self):
        """Production and staging, each with an answer of its own, and an update of one of them."""
        home = self.home("bundles-claude")
        url = self.everything_server("streamableHttp")
        # The parts of the address that are asked for, and the answers.
        base, last = url.rsplit("/", 1)
        template = f"{base}/{{place}}"
        names = ("acme", "acme-staging")
        market = {"name": MARKET, "owner": {"name": "interop"}, "plugins": [{"name": name, "source": f"./{name}"} for name in names]}
        folder = self.scratch / "bundle-market"

        def publish(version):
            made = subprocess.run(
                [self.ferry, "bundle", "--url", template, "--variant", f"staging={template}", "--name", "acme", "--token", "--optional", "token"]
                + ["--ask", "read-only,scope", "--version", version, "--json", "--output", folder],
                check=True, stdout=subprocess.PIPE, env=self.environment(home),
            )  # fmt: skip
            for bundle in json.loads(made.stdout):
                plugin = folder / bundle["name"]
                (plugin / ".claude-plugin").mkdir(parents=True, exist_ok=True)
                Path(bundle["file"]).replace(plugin / "server.mcpb")
                manifest = {"name": bundle["name"], "version": version, "mcpServers": "./server.mcpb"}
                (plugin / ".claude-plugin/plugin.json").write_text(json.dumps(manifest))

        publish("1.0.0")
        (folder / ".claude-plugin").mkdir()
        (folder / ".claude-plugin/marketplace.json").write_text(json.dumps(market))
        log = self.capture([CLAUDE, "plugin", "marketplace", "add", folder], home)
        for name in names:
            log += self.capture([CLAUDE, "plugin", "install", f"{name}@{MARKET}", "--config", f"place={last}"], home)
        listed = self.capture([CLAUDE, "mcp", "list"], home)
        connected = [line for line in listed.splitlines() if "acme" in line.lower() and "Connected" in line]
        self.report("bundle: staging connects beside production in Claude Code, with empty fields", len(connected) == 2, log + listed)
        publish("1.0.1")
        log = self.capture([CLAUDE, "plugin", "marketplace", "update", MARKET], home)
        for name in names:
            log += self.capture([CLAUDE, "plugin", "update", f"{name}@{MARKET}"], home)
        installed = self.capture([CLAUDE, "plugin", "list", "--json"], home)
        listed = self.capture([CLAUDE, "mcp", "list"], home)
        connected = [line for line in listed.splitlines() if "acme" in line.lower() and "Connected" in line]
        kept = len(connected) == 2 and installed.count("1.0.1") >= 2
        self.report("bundle: an update keeps the answers in Claude Code", kept, log + installed + listed)
