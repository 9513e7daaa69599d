// Every feature of the reference server, directly over HTTP and through mcp-ferry: the results must be equal.
//
//   node everything.mjs LABEL URL FERRY HOME [OPTION of mcp-ferry …]

import assert from "node:assert/strict";
import { directly, normalise, open, through } from "./session.mjs";
import { CallToolResultSchema, ResultSchema } from "@modelcontextprotocol/sdk/types.js";

const [label, address, ferry, home, ...options] = process.argv.slice(2);
const url = new URL(address);
const ways = { direct: directly(url), ferry: through(ferry, url, home, options) };

const DATA = `data:text/plain;base64,${btoa("ferry ".repeat(200))}`;
// Arguments for every tool of the server; a tool without arguments here is a failure.
const CALLS = {
  echo: { message: 'Grüße, 世界 🛳 "quoted" \\ \u2028 end' },
  "get-annotated-message": { messageType: "error", includeImage: true },
  "get-env": {},
  "get-resource-links": { count: 10 },
  "get-resource-reference": { resourceType: "Blob", resourceId: 3 },
  "get-roots-list": {},
  "get-structured-content": { location: "Chicago" },
  "get-sum": { a: 0.1, b: 9007199254740991 },
  "get-tiny-image": {},
  "gzip-file-as-resource": { name: "ferry.gz", data: DATA, outputType: "resource" },
  "trigger-elicitation-request": {},
  "trigger-elicitation-request-async": {},
  "trigger-long-running-operation": { duration: 0.4, steps: 4 },
  "trigger-sampling-request": { prompt: "hello", maxTokens: 10 },
  "trigger-sampling-request-async": { prompt: "later", maxTokens: 10 },
  "trigger-url-elicitation": { url: "https://example.com/open", elicitationId: "one" },
  // Tested separately below: they keep running, or they are tasks.
  "toggle-simulated-logging": null,
  "toggle-subscriber-updates": null,
  "simulate-research-query": null,
};

const LEVELS = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
const call = ({ client }, name, args = {}, options) =>
  client.callTool({ name, arguments: args }, CallToolResultSchema, options);
// For an error the code, message and data must be equal.
const failure = (promise) =>
  promise.then(
    (value) => assert.fail(`expected an error, got ${JSON.stringify(value)}`),
    ({ code, message, data }) => ({ code, message, data }),
  );

const steps = {
  "initialize: server, capabilities, instructions": ({ client }) => ({
    server: client.getServerVersion(),
    capabilities: client.getServerCapabilities(),
    instructions: client.getInstructions(),
  }),
  ping: ({ client }) => client.ping(),
  "roots: the server asks for them": async (session, way) => {
    const asked = session.until("log", 0, ({ data }) => /^Roots updated: 1 /.test(data));
    // The server asks 350 ms after the handshake. On a slow machine the SDK's own GET stream opens later, and the request is lost.
    const again = setTimeout(() => way === "direct" && session.client.sendRootsListChanged(), 4000);
    const log = await asked;
    clearTimeout(again);
    return [log, await call(session, "get-roots-list")];
  },
  "roots: the server hears of a change": async (session) => {
    session.roots = [...session.roots, { uri: "file:///interop/two", name: "two" }];
    const changed = session.until("log", session.seen.length, ({ data }) => /^Roots updated: 2 /.test(data));
    await session.client.sendRootsListChanged();
    return [await changed, await call(session, "get-roots-list")];
  },
  "tools: list": async ({ client }) => {
    const { tools } = await client.listTools();
    assert.deepEqual(tools.map((tool) => tool.name).sort(), Object.keys(CALLS).sort());
    return tools;
  },
  "tools: errors": async (session) => [
    await call(session, "no-such-tool").catch((error) => error.message),
    await call(session, "get-sum", { a: "x" }).catch((error) => error.message),
  ],
  "unknown method": ({ client }) => failure(client.request({ method: "interop/unknown", params: { a: 1 } }, ResultSchema)),
  "progress: all of it, in order": async (session) => {
    const from = session.seen.length;
    const result = await call(session, "trigger-long-running-operation", { duration: 1, steps: 5 }, { onprogress() {} });
    await session.until("progress", from, ({ progress }) => progress === 5);
    const heard = session.seen.slice(from).filter(({ kind }) => kind === "progress");
    assert.deepEqual(heard.map(({ params }) => params.progress), [1, 2, 3, 4, 5]);
    return [heard, result];
  },
  "cancellation: no late answer": async (session) => {
    const abort = new AbortController();
    const from = session.seen.length;
    const options = { signal: abort.signal, onprogress: () => abort.abort("enough") };
    const long = { duration: 1, steps: 4 };
    await assert.rejects(call(session, "trigger-long-running-operation", long, options), /enough/);
    // Repeating the work takes longer than the rest of the first call.
    await call(session, "trigger-long-running-operation", { duration: 1.2, steps: 1 });
    const errors = session.seen.slice(from).filter(({ kind }) => kind === "error");
    assert.deepEqual(errors.filter(({ params }) => /unknown message ID/.test(params.message)), []);
  },
  "twenty calls at once": async (session) => {
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => call(session, "get-sum", { a: i, b: 1 })));
    return results.map(({ content }) => content[0].text);
  },
  "elicitation: by URL, asked through an error": async (session) => {
    const args = { url: "https://example.com/first", elicitationId: "two", errorPath: true };
    const refused = await failure(call(session, "trigger-url-elicitation", args));
    assert.equal(refused.code, -32042);
    return [refused, await call(session, "trigger-url-elicitation", args)];
  },
  "tasks: created, followed, asked, done": async ({ client }) => {
    const heard = [];
    const args = { topic: "ferries", ambiguous: true };
    const stream = client.experimental.tasks.callToolStream({ name: "simulate-research-query", arguments: args });
    for await (const message of stream) {
      if (message.type === "error") throw message.error;
      heard.push(message.type === "result" ? message.result : message.type);
    }
    assert.ok(heard.includes("taskCreated"));
    return heard.filter((message) => message !== "taskStatus");
  },
  "tasks: list": async ({ client }) => (await client.experimental.tasks.listTasks()).tasks.map(({ status }) => status),
  "resources: list": async ({ client }) => (await client.listResources()).resources.filter(({ uri }) => !/\/session\//.test(uri)),
  "resources: templates": ({ client }) => client.listResourceTemplates(),
  "resources: read every one": async ({ client }) => {
    const { resources } = await client.listResources();
    const fixed = resources.map(({ uri }) => uri).filter((uri) => !/\/session\//.test(uri));
    assert.ok(fixed.length >= 5);
    const all = [...fixed, "demo://resource/dynamic/text/5", "demo://resource/dynamic/blob/6"];
    return Promise.all(all.map((uri) => client.readResource({ uri })));
  },
  "resources: one that is not there": ({ client }) => failure(client.readResource({ uri: "demo://nowhere/1" })),
  "resources: a new one, list_changed, read": async (session, way) => {
    const changed = session.until("resourcesChanged");
    // All sessions of this server share the names of these resources.
    const args = { name: `${way}.gz`, data: DATA, outputType: "resourceLink" };
    const { content } = await call(session, "gzip-file-as-resource", args);
    await changed;
    const { contents } = await session.client.readResource({ uri: content[0].uri });
    return contents.map(({ blob, mimeType }) => ({ blob, mimeType }));
  },
  "resources: subscribe, updated, unsubscribe": async (session) => {
    const uri = "demo://resource/dynamic/text/1";
    await session.client.subscribeResource({ uri });
    const updated = session.until("updated", session.seen.length, (params) => params.uri === uri);
    await call(session, "toggle-subscriber-updates");
    const params = await updated;
    await session.client.unsubscribeResource({ uri });
    await call(session, "toggle-subscriber-updates");
    return params;
  },
  "prompts: list": ({ client }) => client.listPrompts(),
  "prompts: get every one": ({ client }) =>
    Promise.all([
      client.getPrompt({ name: "simple-prompt" }),
      client.getPrompt({ name: "args-prompt", arguments: { city: "Rotterdam", state: "ZH" } }),
      client.getPrompt({ name: "completable-prompt", arguments: { department: "Sales", name: "Eve" } }),
      client.getPrompt({ name: "resource-prompt", arguments: { resourceType: "Text", resourceId: "4" } }),
    ]),
  "prompts: a missing argument": ({ client }) => failure(client.getPrompt({ name: "args-prompt", arguments: {} })),
  "completion: prompt, with context, and template": ({ client }) => {
    const prompt = { type: "ref/prompt", name: "completable-prompt" };
    const template = { type: "ref/resource", uri: "demo://resource/dynamic/text/{resourceId}" };
    const context = { arguments: { department: "Sales" } };
    return Promise.all([
      client.complete({ ref: prompt, argument: { name: "department", value: "S" } }),
      client.complete({ ref: prompt, argument: { name: "name", value: "" }, context }),
      client.complete({ ref: template, argument: { name: "resourceId", value: "12" } }),
    ]);
  },
  "logging: messages come, and obey the level": async (session) => {
    await session.client.setLoggingLevel("debug");
    const first = session.until("log", session.seen.length, ({ data }) => /message/.test(data));
    await call(session, "toggle-simulated-logging");
    const { level } = await first;
    assert.ok(LEVELS.includes(level));
    await call(session, "toggle-simulated-logging");
    await session.client.setLoggingLevel("emergency");
    const before = session.seen.length;
    await session.client.subscribeResource({ uri: "demo://resource/dynamic/text/9" }); // says so at level info
    await session.client.ping();
    return session.seen.slice(before).filter(({ kind }) => kind === "log");
  },
};

for (const [name, args] of Object.entries(CALLS)) {
  if (!args) continue;
  steps[`tool ${name}`] = async (session) => {
    const before = session.seen.length;
    const result = await call(session, name, args);
    assert.ok(!result.isError, JSON.stringify(result));
    const asked = session.seen.slice(before).filter(({ kind }) => ["sampling", "elicitation"].includes(kind));
    assert.equal(asked.length, /sampling|elicitation/.test(name) ? 1 : 0);
    return [result, asked];
  };
}

const sessions = {};
for (const [way, makeTransport] of Object.entries(ways)) sessions[way] = await open(makeTransport);
let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    const [direct, ferried] = await Promise.all(
      Object.entries(sessions).map(async ([way, session]) => {
        try {
          return normalise(await step(session, way));
        } catch (error) {
          throw new Error(`${way}: ${error.message}`);
        }
      }),
    );
    assert.deepEqual(ferried, direct);
    console.log(`ok ${label}: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED ${label}: ${name}: ${error.message.replace(/\s+/g, " ").slice(0, 600)}`);
  }
}
for (const session of Object.values(sessions)) await session.client.close();
process.exit(failed ? 1 : 0);
