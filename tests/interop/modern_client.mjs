// The SDK's client of the modern era with the reference server of the legacy era, which need a translating bridge.
//
//   node modern_client.mjs LABEL URL FERRY HOME

import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { receivedMessages } from "./received_messages.mjs";

const [label, address, ferry, home] = process.argv.slice(2);
const PIN = { pin: "2026-07-28" };
const ROOTS = [{ uri: "file:///interop/one", name: "one" }];
const INFO = { name: "interop", version: "1.0.0" };

const transport = (...extra) =>
  new StdioClientTransport({
    command: ferry,
    args: [...extra, address],
    env: { HOME: home, PATH: process.env.PATH, MCP_FERRY_HOME: home },
    stderr: "inherit",
  });

// A client with all capabilities that records what it receives.
async function open(mode, extra, connect = {}) {
  const client = new Client(INFO, {
    versionNegotiation: { mode },
    capabilities: { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } },
  });
  const { seen, note, until } = receivedMessages();
  client.setRequestHandler("roots/list", async () => (note("roots"), { roots: ROOTS }));
  client.setRequestHandler("sampling/createMessage", async ({ params }) => {
    note("sampling", params);
    return { role: "assistant", model: "interop", content: { type: "text", text: `sampled: ${params.messages[0].content.text}` } };
  });
  client.setRequestHandler("elicitation/create", async ({ params }) => {
    note("elicitation", params);
    return params.mode === "url" ? { action: "accept" } : { action: "accept", content: { name: "Ferry", check: true } };
  });
  client.fallbackNotificationHandler = async ({ method, params }) => note(method, params);
  client.onerror = (error) => note("error", error.message);
  await client.connect(transport(...extra), connect);
  return { client, seen, until };
}

const call = ({ client }, name, args = {}, options) => client.callTool({ name, arguments: args }, options);
const text = ({ content }) => content.map((part) => part.text ?? part.type).join("\n");
const failure = (promise) => promise.then((value) => assert.fail(`expected an error, got ${JSON.stringify(value)}`), (error) => error);

const steps = {
  "discover: server, capabilities, instructions": async ({ client }) => {
    assert.equal(client.getServerVersion().name, "mcp-servers/everything");
    assert.ok(client.getServerCapabilities().tools && client.getServerCapabilities().completions);
    assert.match(client.getInstructions(), /everything/i);
    assert.equal(client.getNegotiatedProtocolVersion(), PIN.pin);
  },
  "tools: list, call, error": async (session) => {
    const { tools } = await session.client.listTools();
    assert.ok(tools.length > 10);
    assert.equal(text(await call(session, "echo", { message: "Grüße \u2028" })), "Echo: Grüße \u2028");
    assert.equal((await call(session, "get-structured-content", { location: "Chicago" })).structuredContent.temperature, 36);
    await call(session, "no-such-tool").then((result) => assert.ok(result.isError), () => {});
  },
  "resources: list, templates, read, not found": async ({ client }) => {
    const { resources } = await client.listResources();
    assert.ok(resources.length >= 5);
    assert.ok((await client.listResourceTemplates()).resourceTemplates.length >= 2);
    assert.ok((await client.readResource({ uri: resources[0].uri })).contents.length);
    assert.equal((await failure(client.readResource({ uri: "demo://nowhere/1" }))).code, -32602);
  },
  "prompts: list, get": async ({ client }) => {
    assert.ok((await client.listPrompts()).prompts.length >= 3);
    const { messages } = await client.getPrompt({ name: "args-prompt", arguments: { city: "Rotterdam" } });
    assert.match(messages[0].content.text, /Rotterdam/);
  },
  completion: async ({ client }) => {
    const ref = { type: "ref/prompt", name: "completable-prompt" };
    const { completion } = await client.complete({ ref, argument: { name: "department", value: "S" } });
    assert.ok(completion.values.includes("Sales"));
  },
  "elicitation: a form": async (session) => {
    const result = await call(session, "trigger-elicitation-request");
    assert.match(text(result), /Ferry/);
    assert.ok((await session.until("elicitation", 0)).requestedSchema);
  },
  "elicitation: an address": async (session) => {
    const args = { url: "https://example.com/open", elicitationId: "one" };
    assert.match(text(await call(session, "trigger-url-elicitation", args)), /accept/i);
    const asked = await session.until("elicitation", 0, ({ mode }) => mode === "url");
    assert.deepEqual([asked.url, asked.elicitationId], [args.url, undefined]);
  },
  "elicitation: an address, asked through an error": async (session) => {
    // The server first requests a visit to another address, then to this one.
    const from = session.seen.length;
    const args = { url: "https://example.com/first", elicitationId: "two", errorPath: true };
    assert.match(text(await call(session, "trigger-url-elicitation", args)), /accept/i);
    const urls = session.seen.slice(from).filter(({ kind }) => kind === "elicitation").map(({ params }) => params.url);
    assert.deepEqual([urls.length, urls[1]], [2, args.url]);
  },
  sampling: async (session) => {
    const result = await call(session, "trigger-sampling-request", { prompt: "hello", maxTokens: 10 });
    assert.match(text(result), /sampled: .*hello/);
  },
  roots: async (session) => {
    assert.match(text(await call(session, "get-roots-list")), /interop\/one/);
  },
  "progress: all of it, in order": async (session) => {
    const heard = [];
    const onprogress = ({ progress }) => heard.push(progress);
    await call(session, "trigger-long-running-operation", { duration: 1, steps: 5 }, { onprogress });
    assert.deepEqual(heard.slice(0, 4), [1, 2, 3, 4]);
  },
  cancellation: async (session) => {
    const abort = new AbortController();
    const options = { signal: abort.signal, onprogress: () => abort.abort("enough") };
    await failure(call(session, "trigger-long-running-operation", { duration: 2, steps: 8 }, options));
    const from = session.seen.length;
    await call(session, "echo", { message: "on" });
    assert.deepEqual(session.seen.slice(from).filter(({ kind }) => kind === "error"), []);
  },
  "several at once": async (session) => {
    const calls = Array.from({ length: 8 }, (_, n) => call(session, "trigger-sampling-request", { prompt: `number ${n}`, maxTokens: 5 }));
    const results = await Promise.all(calls);
    results.forEach((result, n) => assert.match(text(result), new RegExp(`number ${n}\\b`)));
  },
  "logging: where it is wanted, and only there": async (session) => {
    const from = session.seen.length;
    await call(session, "toggle-simulated-logging");
    const wanted = { "io.modelcontextprotocol/logLevel": "debug" };
    const long = { name: "trigger-long-running-operation", arguments: { duration: 7, steps: 1 } };
    await session.client.callTool({ ...long, _meta: wanted });
    await session.until("notifications/message", from);
    await call(session, "toggle-simulated-logging");
    const before = session.seen.length;
    await call(session, "echo", { message: "quiet" });
    assert.deepEqual(session.seen.slice(before).filter(({ kind }) => kind === "notifications/message"), []);
  },
  "subscriptions: acknowledged, told, closed": async (session) => {
    const uri = "demo://resource/dynamic/text/1";
    const from = session.seen.length;
    const subscription = await session.client.listen({ resourceSubscriptions: [uri], resourcesListChanged: true, toolsListChanged: true });
    await call(session, "toggle-subscriber-updates");
    await session.until("notifications/resources/updated", from, (params) => params.uri === uri);
    const data = `data:text/plain;base64,${btoa("ferry ".repeat(50))}`;
    await call(session, "gzip-file-as-resource", { name: `${label}.gz`.replaceAll("/", "-"), data, outputType: "resourceLink" });
    await session.until("notifications/resources/list_changed", from);
    await subscription.close();
    await call(session, "toggle-subscriber-updates");
  },
};

let failed = 0;
const attempt = async (name, step) => {
  try {
    await step();
    console.log(`ok ${label}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${label}: ${name}: ${String(error.stack ?? error).replace(/\s+/g, " ").slice(0, 700)}`);
  }
};

const session = await open(PIN, ["--client-protocol", "modern"]);
for (const [name, step] of Object.entries(steps)) await attempt(name, () => step(session));
const discover = session.client.getDiscoverResult?.();
await session.client.close();
await attempt("without the flag, a client that can fall back does", async () => {
  const { client, ...rest } = await open("auto", []);
  assert.equal(client.getNegotiatedProtocolVersion(), "2025-11-25");
  assert.equal(text(await call({ client, ...rest }, "echo", { message: "auto" })), "Echo: auto");
  await client.close();
});
await attempt("without the flag, one that knows the server already is served", async () => {
  const { client, ...rest } = await open("auto", [], { prior: { kind: "modern", discover } });
  assert.equal(client.getNegotiatedProtocolVersion(), PIN.pin);
  assert.equal(text(await call({ client, ...rest }, "echo", { message: "prior" })), "Echo: prior");
  assert.match(text(await call({ client, ...rest }, "trigger-sampling-request", { prompt: "prior", maxTokens: 5 })), /sampled/);
  await client.close();
});
process.exit(failed ? 1 : 0);
