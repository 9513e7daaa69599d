// The TypeScript SDKs' clients with each of these servers: each feature directly, where that is possible, and through mcp-ferry.
//
//   node client.mjs FERRY      reads jobs, one in a line: { client, server, era, url, flags, home }
//
// Writes one line for a job: { feature: { ferry, direct } }, null if the feature works, otherwise the failure.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import * as second from "@modelcontextprotocol/client";
import { StdioClientTransport as SecondStdio } from "@modelcontextprotocol/client/stdio";
import { Client as FirstClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as FirstStdio } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as FirstHttp } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { receivedMessages } from "../received_messages.mjs";
import content from "./content.json" with { type: "json" };

const [ferry] = process.argv.slice(2);
const MODERN = "2026-07-28";
const PATIENCE = 15; // seconds
const ROOTS = [{ uri: "file:///interop/one", name: "one" }];
const INFO = { name: "interop", version: "1.0.0" };
const OFFERS = { roots: {}, sampling: {}, elicitation: { form: {}, url: {} } };
// The first SDK treats a stream that ended with an error response as broken, resumes it, and receives everything twice.
const reconnectionOptions = { maxRetries: 0, initialReconnectionDelay: 1, maxReconnectionDelay: 1, reconnectionDelayGrowFactor: 1 };

let left; // the signal of a client that cancels during an input request

const answers = {
  "roots/list": () => ({ roots: ROOTS }),
  "sampling/createMessage": ({ messages }) => ({ role: "assistant", model: "interop", content: { type: "text", text: `sampled: ${messages[0].content.text}` } }),
  "elicitation/create": ({ mode, message }) => {
    if (/^Refuse/.test(message)) return { action: "decline" };
    if (/^Wait/.test(message)) return new Promise((resolve) => left.addEventListener("abort", () => resolve({ action: "cancel" })));
    return mode === "url" ? { action: "accept" } : { action: "accept", content: { name: `answer to ${message}` } };
  },
};
const SCHEMAS = {
  "roots/list": types.ListRootsRequestSchema,
  "sampling/createMessage": types.CreateMessageRequestSchema,
  "elicitation/create": types.ElicitRequestSchema,
};

const PEERS = {
  // The second major version: of one era, or of the server's era.
  second: {
    make: (mode) => new second.Client(INFO, { versionNegotiation: { mode: mode === "modern" ? { pin: MODERN } : mode }, capabilities: OFFERS }),
    handle: (client, method, answer) => client.setRequestHandler(method, ({ params }) => answer(params)),
    http: (url) => new second.StreamableHTTPClientTransport(new URL(url)),
    stdio: (parameters) => new SecondStdio(parameters),
    call: (client, params, options) => client.callTool(params, options),
    list: (client, method, params) => client.request({ method, params }),
  },
  // The first major version, which only supports the legacy era.
  first: {
    make: () => new FirstClient(INFO, { capabilities: OFFERS }),
    handle: (client, method, answer) => client.setRequestHandler(SCHEMAS[method], ({ params }) => answer(params)),
    http: (url) => new FirstHttp(new URL(url), { reconnectionOptions }),
    stdio: (parameters) => new FirstStdio(parameters),
    call: (client, params, options) => client.callTool(params, undefined, options),
    list: (client, method, params) => client.request({ method, params }, types.ResultSchema),
  },
};

async function open(peer, mode, transport) {
  const client = peer.make(mode);
  const { seen, note, until } = receivedMessages(PATIENCE);
  for (const [method, answer] of Object.entries(answers)) {
    peer.handle(client, method, async (params) => {
      note(method, params);
      return answer(params);
    });
  }
  client.fallbackNotificationHandler = async ({ method, params }) => note(method, params);
  await client.connect(transport);
  // A client drops a call's last progress if the response follows immediately, and changes error codes: record both
  // before it does.
  const deliver = client.transport.onmessage;
  client.transport.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") note("progress", message.params);
    if (message.error) note("refused", message.error);
    deliver(message, extra);
  };
  const modern = (client.getNegotiatedProtocolVersion?.() ?? "") >= MODERN;
  const call = (name, args = {}, { _meta, ...options } = {}) => peer.call(client, { name, arguments: args, _meta }, options);
  const list = async (member, method) => {
    const pages = [];
    let cursor;
    do {
      const answer = await peer.list(client, method, cursor === undefined ? {} : { cursor });
      pages.push(answer[member]);
      cursor = answer.nextCursor;
    } while (cursor !== undefined && pages.length < 9);
    return pages;
  };
  const since = (from, kind) => seen.slice(from).filter((one) => one.kind === kind).map(({ params }) => params);
  return { client, modern, seen, until, since, call, list };
}

const text = ({ content }) => content.map((part) => part.text).join("\n");
const names = (items) => items.map(({ name }) => name);
// Elicitations as the client received them; a legacy server may omit the mode.
const question = ({ mode = "form", message, url, requestedSchema }) => ({ mode, message, url, fields: Object.keys(requestedSchema?.properties ?? {}) });
const form = (message) => ({ mode: "form", message, url: undefined, fields: ["name"] });

// The return value of each step must be equal without mcp-ferry; its assertions hold for every server.
const steps = {
  connect: async ({ client, modern }, { server }) => {
    const { tools, prompts, resources, logging, completions } = client.getServerCapabilities();
    assert.deepEqual([client.getServerVersion().name, client.getServerVersion().version], [server, content.version]);
    assert.equal(client.getInstructions(), content.instructions);
    assert.ok(tools && prompts && resources);
    assert.ok(logging && completions);
    if (!modern) await client.ping();
  },
  tools: async ({ call, list }) => {
    const tools = (await list("tools", "tools/list")).flat();
    assert.deepEqual(names(tools).sort(), names(content.tools).sort());
    const strange = "Grüße, 世界 🛳 \"quoted\" \\ \u2028 end";
    assert.equal(text(await call("echo", { text: strange })), strange);
    assert.equal(text(await call("mirrored", { region: "Köln", n: -7 })), "Köln -7");
    const { structuredContent } = await call("structured", { count: 3 });
    assert.deepEqual(structuredContent, { numbers: [0, 1, 2] });
    const failed = await call("fails");
    assert.deepEqual([failed.isError, /this tool always fails/.test(text(failed))], [true, true]);
    const missing = await call("nothing").then(({ isError }) => isError && "told", (error) => error.code);
    assert.ok(missing);
    return [tools, structuredContent, text(failed), missing];
  },
  resources: async ({ client, list, modern, seen, since }, { era }) => {
    const resources = (await list("resources", "resources/list")).flat();
    assert.deepEqual(resources.map(({ uri }) => uri), content.resources.map(({ uri }) => uri));
    const templates = (await list("resourceTemplates", "resources/templates/list")).flat();
    assert.deepEqual(templates.map(({ uriTemplate }) => uriTemplate), ["note://{name}"]);
    const read = async (uri) => (await client.readResource({ uri })).contents[0];
    assert.equal((await read("note://two")).text, "note two");
    assert.equal((await read("note://elsewhere")).text, "note elsewhere");
    assert.equal((await read("note://bytes")).blob, content.bytes);
    const from = seen.length;
    await assert.rejects(client.readResource({ uri: "gone://one" }));
    const [{ code }] = since(from, "refused");
    assert.ok(modern !== (era === "modern") ? code === (modern ? -32602 : -32002) : [-32602, -32002].includes(code), `code ${code}`);
    return [resources, templates];
  },
  prompts: async ({ client, list }) => {
    const prompts = (await list("prompts", "prompts/list")).flat();
    assert.deepEqual(names(prompts), ["greet"]);
    const { messages } = await client.getPrompt({ name: "greet", arguments: { name: "Ann" } });
    assert.deepEqual([messages.length, messages[0].role, messages[0].content.text], [1, "user", "Greet Ann."]);
    return prompts;
  },
  completion: async ({ client }) => {
    const name = await client.complete({ ref: { type: "ref/prompt", name: "greet" }, argument: { name: "name", value: "A" } });
    const word = await client.complete({ ref: { type: "ref/resource", uri: "note://{name}" }, argument: { name: "name", value: "t" } });
    assert.deepEqual([name.completion.values, word.completion.values], [["Ann", "Anna"], ["two", "three"]]);
  },
  pagination: async ({ list }) => {
    const sizes = (pages) => pages.map((page) => page.length);
    assert.deepEqual(sizes(await list("tools", "tools/list")), [4, 4, 4, 3]);
    assert.deepEqual(sizes(await list("resources", "resources/list")), [4, 1]);
  },
  "a form": async ({ call, seen, since }) => {
    const from = seen.length;
    assert.equal(text(await call("ask", { message: "Who?" })), "accept answer to Who?");
    assert.equal(text(await call("ask", { message: "Refuse?" })), "decline");
    assert.deepEqual(since(from, "elicitation/create").map(question), [form("Who?"), form("Refuse?")]);
  },
  "a page": async ({ call, modern, seen, since, until }, { era }) => {
    const from = seen.length;
    const url = "https://example.com/login?a=b&c=%20";
    assert.equal(text(await call("visit", { url })), "accept");
    const asked = since(from, "elicitation/create");
    assert.deepEqual(asked.map(question), [{ mode: "url", message: "log in", url, fields: [] }]);
    if (modern || era === "legacy") return;
    // The modern era has no elicitation id; a legacy client needs one, and a notification of the completion.
    const { elicitationId } = await until("notifications/elicitation/complete", from);
    assert.ok(elicitationId && elicitationId === asked[0].elicitationId);
  },
  sampling: async ({ call }) => {
    assert.equal(text(await call("sample", { prompt: "hello" })), "sampled: hello");
    const many = await Promise.all(Array.from({ length: 6 }, (_, n) => call("sample", { prompt: `number ${n}` })));
    assert.deepEqual(many.map(text), Array.from({ length: 6 }, (_, n) => `sampled: number ${n}`));
  },
  roots: async ({ call }) => assert.equal(text(await call("roots")), "file:///interop/one"),
  "several at once": async ({ call, seen }) => {
    const from = seen.length;
    assert.equal(text(await call("at_once")), "accept answer to Who? | sampled: hello | file:///interop/one");
    const asked = seen.slice(from).map(({ kind }) => kind).filter((kind) => kind in answers);
    assert.deepEqual(asked.sort(), Object.keys(answers).sort());
  },
  "several rounds": async ({ call, seen, since }) => {
    const from = seen.length;
    const wanted = [1, 2, 3].map((n) => `accept answer to Question ${n}`).join(", ");
    assert.equal(text(await call("rounds", { count: 3 })), wanted);
    assert.deepEqual(since(from, "elicitation/create").map(question), [1, 2, 3].map((n) => form(`Question ${n}`)));
  },
  progress: async ({ call, seen, since }) => {
    const from = seen.length;
    assert.equal(text(await call("progress", { steps: 20 }, { onprogress() {} })), "done");
    const told = since(from, "progress").map(({ progress, total, message }) => [progress, total, message]);
    assert.deepEqual(told, Array.from({ length: 20 }, (_, n) => [n + 1, 20, `step ${n + 1}`]));
  },
  logging: async ({ client, call, modern, seen, since, until }) => {
    const heard = {};
    for (const level of ["debug", "warning"]) {
      const from = seen.length;
      if (!modern) await client.setLoggingLevel(level);
      await call("log", {}, modern ? { _meta: { "io.modelcontextprotocol/logLevel": level } } : {});
      await until("notifications/message", from, ({ level }) => level === "error");
      heard[level] = since(from, "notifications/message").map(({ level, logger, data }) => [level, logger, data.msg ?? data]);
    }
    const words = (...levels) => levels.map((level) => [level, "peer", `a word at ${level}`]);
    assert.deepEqual(heard, { debug: words("debug", "info", "warning", "error"), warning: words("warning", "error") });
    if (!modern) return;
    const from = seen.length;
    await call("log");
    assert.deepEqual(since(from, "notifications/message"), [], "nothing was wanted");
  },
  cancellation: async ({ call, seen, until }, { key }) => {
    const stop = new AbortController();
    await assert.rejects(call("wait", { key }, { signal: stop.signal, onprogress: () => stop.abort("enough") }), /enough/);
    assert.equal(text(await call("cancelled", { key })), "true");
    // During an input request, which is never answered.
    const [from, leave] = [seen.length, new AbortController()];
    left = leave.signal;
    const asking = assert.rejects(call("ask", { message: "Wait?" }, { signal: leave.signal }), /enough/);
    await until("elicitation/create", from);
    leave.abort("enough");
    await asking;
    assert.equal(text(await call("ask", { message: "Still there?" })), "accept answer to Still there?");
  },
  subscriptions: async (session, { key }) => {
    assert.ok(session.client.getServerCapabilities().resources.subscribe, "the server offers none");
    const uri = `note://${key}`;
    const fits = (params) => params.uri === uri;
    const from = session.seen.length;
    const close = session.modern
      ? await session.client.listen({ resourceSubscriptions: [uri] }).then((subscription) => () => subscription.close())
      : await session.client.subscribeResource({ uri }).then(() => () => session.client.unsubscribeResource({ uri }));
    await session.call("change", { uri });
    await session.until("notifications/resources/updated", from, fits);
    await session.call("change", { uri: "note://other" });
    await close();
    const closed = session.seen.length;
    await session.call("change", { uri });
    await session.call("echo", { text: "after" });
    const told = (from) => session.since(from, "notifications/resources/updated").map(({ uri }) => uri);
    assert.deepEqual([told(from), told(closed)], [[uri], []]);
  },
  "list changes": async (session) => {
    const { tools, prompts, resources } = session.client.getServerCapabilities();
    assert.ok(tools.listChanged && prompts.listChanged && resources.listChanged, "the server tells of none");
    const from = session.seen.length;
    const subscription = session.modern
      ? await session.client.listen({ toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true })
      : undefined;
    await session.call("change", { uri: "note://nobody" });
    for (const list of ["tools", "prompts", "resources"]) await session.until(`notifications/${list}/list_changed`, from);
    await subscription?.close();
  },
};

// The outcome of each step: its value or the error.
async function attempt(session, job) {
  const outcomes = {};
  for (const [feature, step] of Object.entries(steps)) {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(reject, 2000 * PATIENCE, new Error("no end"))));
    try {
      outcomes[feature] = { value: (await Promise.race([step(session, job), late])) ?? null };
    } catch (error) {
      outcomes[feature] = { error: `${error.stack ?? error}`.replace(/\s+/g, " ").slice(0, 900) };
    }
    clearTimeout(timer);
  }
  await session.client.close();
  return outcomes;
}

const references = new Map();

async function directly(peer, { server, era, url }) {
  if (peer === PEERS.first && era === "modern") return {};
  const name = `${server} ${era} ${peer === PEERS.first}`;
  if (!references.has(name)) {
    const session = await open(peer, era, peer.http(url));
    references.set(name, await attempt(session, { server, era, key: `direct-${name}`.replaceAll(" ", "-") }));
  }
  return references.get(name);
}

async function run(job) {
  const [which, mode] = job.client.split(" ");
  const peer = PEERS[which];
  const direct = await directly(peer, job);
  const args = [...(mode === "modern" ? ["--client-protocol", "modern"] : []), ...job.flags, job.url];
  const env = { HOME: job.home, PATH: process.env.PATH, MCP_FERRY_HOME: job.home };
  const session = await open(peer, mode, peer.stdio({ command: ferry, args, env, stderr: "inherit" }));
  // A client of both eras uses the server's era.
  assert.equal(session.modern, mode === "auto" ? job.era === "modern" : mode === "modern");
  const ferried = await attempt(session, { ...job, key: `${job.client}-${job.server}-${job.era}`.replaceAll(" ", "-") });
  return Object.fromEntries(
    Object.keys(steps).map((feature) => {
      const [through, beside] = [ferried[feature], direct[feature]];
      let problem = through.error ?? null;
      if (!problem && beside && !beside.error) {
        try {
          assert.deepEqual(through.value, beside.value);
        } catch (error) {
          problem = `not as directly: ${error.message.slice(0, 900)}`;
        }
      }
      return [feature, { ferry: problem, direct: beside ? (beside.error ?? null) : "apart" }];
    }),
  );
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const outcome = await run(job).catch((error) => ({ error: `${error.stack ?? error}` }));
  console.log(JSON.stringify(outcome));
}
process.exit(0);
