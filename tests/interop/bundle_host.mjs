// What a program does that installs an extension: it fills in the answers and starts the command. And the server behind it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { getMcpConfigForManifest } from "@anthropic-ai/mcpb/node";

export const TOKEN = "secret/of+the=bundle";

let failed = 0;
export async function check(name, test) {
  try {
    await test();
    console.log(`ok bundle: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED bundle: ${name}: ${error.message.replace(/\s+/g, " ").slice(0, 600)}`);
  }
}
export const failures = () => failed;

// What the server was asked.
export const asked = [];
const server = createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  if (request.method !== "POST") return response.writeHead(405).end();
  const { id, method, params } = JSON.parse(body);
  const { authorization, "x-team": team } = request.headers;
  asked.push({ path: request.url, method, authorization, ...(team ? { team } : {}) });
  if (id === undefined) return response.writeHead(202).end();
  const result = { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: { name: "behind-the-bundle", version: "1" } };
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id, result }));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
export const origin = `http://127.0.0.1:${server.address().port}`;
export function stop() {
  server.closeAllConnections();
  server.close();
}

/// The command of an extension, as the format's own tool fills it in.
export async function commandOf(manifest, directory, home, answers) {
  const config = await getMcpConfigForManifest({
    manifest,
    extensionPath: directory,
    systemDirs: { HOME: home },
    userConfig: answers,
    pathSeparator: "/",
  });
  assert.ok(config, "the host would not start it");
  assert.ok(!JSON.stringify(config.args).includes(TOKEN), "the token is in argv");
  return config;
}

/// Starts a command, and returns the answer to its first message.
export async function answerOf({ command, args, env }, options) {
  const child = spawn(command, args, { ...options, env: { ...options.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (text) => (said += text));
  child.stdin.on("error", () => {}); // it has ended, which is seen below
  const ended = new Promise((resolve, reject) => child.on("error", reject).on("exit", resolve));
  const clientInfo = { name: "a-host", version: "1" };
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
  child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params })}\n`);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = await Promise.race([lines.next(), ended.then((code) => assert.fail(`ended with ${code}: ${said}`))]);
  assert.ok(line.value, `no answer: ${said}`);
  child.stdin.end();
  assert.equal(await ended, 0, said);
  return JSON.parse(line.value);
}

/// Starts an extension; its answer must be the server's.
export async function reaches(config, options) {
  asked.length = 0;
  const answer = await answerOf(config, options);
  assert.equal(answer.result?.serverInfo.name, "behind-the-bundle", JSON.stringify(answer));
  return asked[0];
}
