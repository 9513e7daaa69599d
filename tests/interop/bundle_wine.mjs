// An extension with the programs for Linux and Windows: unpacked, and started under wine as a host on Windows starts it.
//
//   node bundle_wine.mjs FERRY-FOR-WINDOWS FERRY HOME

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { TOKEN, check, commandOf, failures, origin, reaches, stop } from "./bundle_host.mjs";

const [windows, ferry, home] = process.argv.slice(2);
const here = fileURLToPath(new URL(".", import.meta.url));

await check("unpacked and started under wine, the token arrives", async () => {
  const pack = ["bundle", "--url", `${origin}/{account}/mcp`, "--name", "acme-mcp", "--token", "--program", ferry, "--program", windows];
  const made = execFileSync(ferry, [...pack, "--json", "--output", home], { encoding: "utf8", env: { ...process.env, MCP_FERRY_HOME: home } });
  const [bundle] = JSON.parse(made);
  const directory = join(home, "it's a folder");
  mkdirSync(directory);
  execFileSync(process.execPath, [`${here}/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js`, "unpack", bundle.file, directory]);
  const manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
  const config = manifest.server.mcp_config;
  Object.assign(config, config.platform_overrides.win32);
  const { command, args, env } = await commandOf(manifest, directory, home, { account: "north", token: TOKEN });
  const started = { command: "/usr/lib/wine/wine64", args: [command, ...args], env: { ...env, MCP_FERRY_STARTUP_WAIT: "60" } };
  assert.deepEqual(await reaches(started, { env: process.env }), { path: "/north/mcp", method: "initialize", authorization: `Bearer ${TOKEN}` });
});

stop();
process.exit(failures() ? 1 : 0);
