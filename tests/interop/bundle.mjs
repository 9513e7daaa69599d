// The extension that dist/mcpb/pack builds, validated by the format's own tool and started as a host starts it.
//
//   node bundle.mjs FERRY HOME

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb/node";
import yauzl from "yauzl";

const [ferry, home] = process.argv.slice(2);
const here = fileURLToPath(new URL(".", import.meta.url));
const mcpb = (...args) => execFileSync(process.execPath, [`${here}/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js`, ...args], { encoding: "utf8" });
const pack = (out, ...args) =>
  execFileSync(`${here}/../../dist/mcpb/pack`, ["--linux", ferry, "--out", out, ...args], { encoding: "utf8" });

const TOKEN = "secret/of+the=bundle";
// The manifest keys that every host supports; one host refuses bundles with other keys.
const KNOWN = new Set(
  ("manifest_version name display_name version description long_description author repository homepage documentation support " +
    "icon screenshots server tools tools_generated prompts prompts_generated keywords license privacy_policies compatibility user_config").split(" "),
);

const asked = [];
const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  if (request.method !== "POST") return response.writeHead(405).end();
  const { id, method, params } = JSON.parse(body);
  asked.push({ path: request.url, method, authorization: request.headers.authorization });
  if (id === undefined) return response.writeHead(202).end();
  const result = { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "behind-the-bundle", version: "1" } };
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id, result }));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const origin = `http://127.0.0.1:${server.address().port}`;

const BUNDLES = {
  general: { args: [], answers: { url: `${origin}/mcp`, token: TOKEN }, path: "/mcp" },
  "one server": {
    args: ["--name", "acme-mcp", "--display-name", "Acme", "--url", `${origin}/{account}/mcp`],
    answers: { account: "north", token: TOKEN },
    path: "/north/mcp",
  },
  staging: {
    args: ["--name", "acme-mcp-staging", "--display-name", "Acme (staging)", "--url", `${origin}/staging/{account}/mcp`],
    answers: { account: "north", token: TOKEN },
    path: "/staging/north/mcp",
  },
};

let failed = 0;
async function check(name, test) {
  try {
    await test();
    console.log(`ok bundle: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED bundle: ${name}: ${error.message.replace(/\s+/g, " ").slice(0, 600)}`);
  }
}

// A parser as strict as the one in Claude Desktop.
const entriesOf = (file) =>
  new Promise((resolve, reject) => {
    yauzl.open(file, { lazyEntries: false, strictFileNames: true, validateEntrySizes: true }, (error, zip) => {
      if (error) return reject(error);
      const entries = [];
      zip.on("entry", (entry) => entries.push(entry)).on("error", reject).on("end", () => resolve(entries));
    });
  });

async function start(manifest, directory, answers) {
  const config = await getMcpConfigForManifest({
    manifest,
    extensionPath: directory,
    systemDirs: { HOME: home },
    userConfig: answers,
    pathSeparator: "/",
  });
  assert.ok(config, "the host would not start it");
  assert.ok(!JSON.stringify(config.args).includes(TOKEN), "the token is in argv");
  const env = { HOME: home, PATH: process.env.PATH, USER: "interop", MCP_FERRY_HOME: home, ...config.env };
  const child = spawn(config.command, config.args, { env, stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {}); // it has ended, which is seen below
  const ended = new Promise((resolve, reject) => child.on("error", reject).on("exit", resolve));
  const clientInfo = { name: "a-host", version: "1" };
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = await Promise.race([lines.next(), ended.then((code) => assert.fail(`ended with ${code}`))]);
  assert.ok(line.value, "no answer");
  child.stdin.end();
  assert.equal(await ended, 0);
  return JSON.parse(line.value);
}

const identities = [];
for (const [name, { args, answers, path }] of Object.entries(BUNDLES)) {
  const file = join(home, `${name.replace(" ", "-")}.mcpb`);
  const directory = file.replace(".mcpb", "");
  let manifest;

  await check(`${name}: packs, and unpacks with mcpb`, () => {
    pack(file, ...args);
    mcpb("unpack", file, directory);
    manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
    identities.push([manifest.name, manifest.display_name]);
  });
  await check(`${name}: mcpb validate, info and pack accept it`, () => {
    assert.match(mcpb("validate", join(directory, "manifest.json")), /validation passes/);
    assert.match(mcpb("info", file), /Size: /);
    mcpb("pack", directory, `${directory}-again.mcpb`);
  });
  await check(`${name}: a strict zip, its programs executable`, async () => {
    const programs = (await entriesOf(file)).filter(({ fileName }) => fileName.startsWith("server/"));
    assert.ok(programs.length > 0);
    for (const entry of programs) assert.equal((entry.externalFileAttributes >>> 16) & 0o777, 0o755, entry.fileName);
    for (const program of readdirSync(join(directory, "server"))) assert.ok(statSync(join(directory, "server", program)).mode & 0o100);
  });
  await check(`${name}: only keys that every host knows`, () => {
    assert.deepEqual(Object.keys(manifest).filter((key) => !KNOWN.has(key)), []);
    assert.equal(manifest.user_config.token.sensitive, true);
    for (const field of Object.values(manifest.user_config)) assert.ok(field.required ? !("default" in field) : "default" in field);
  });
  await check(`${name}: started by its host, the token arrives`, async () => {
    asked.length = 0;
    const answer = await start(manifest, directory, answers);
    assert.equal(answer.result?.serverInfo.name, "behind-the-bundle", JSON.stringify(answer));
    assert.deepEqual(asked[0], { path, method: "initialize", authorization: `Bearer ${TOKEN}` });
  });
  const { token, ...rest } = answers;
  await check(`${name}: without a token`, async () => {
    asked.length = 0;
    if (manifest.user_config.token.required) return assert.rejects(start(manifest, directory, rest), /would not start/);
    await start(manifest, directory, rest);
    assert.deepEqual(asked[0], { path, method: "initialize", authorization: undefined });
  });
}
await check("bundles live side by side", () => {
  for (const part of [0, 1]) assert.equal(new Set(identities.map((identity) => identity[part])).size, Object.keys(BUNDLES).length);
});

server.closeAllConnections();
server.close();
process.exit(failed ? 1 : 0);
