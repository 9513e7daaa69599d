// A legacy client (the official package's first major version) before a server of the modern era alone: all that the one offers and the other can.
//
//   node modern_server_client.mjs LABEL URL FERRY HOME

import assert from "node:assert/strict";
import { open, through } from "./session.mjs";

const [label, address, ferry, home] = process.argv.slice(2);
const session = await open(through(ferry, new URL(address), home));
const { client, seen, until } = session;
const call = (name, args = {}, options) => client.callTool({ name, arguments: args }, undefined, options);
const texts = (result) => result.content.map(({ text }) => text);

const steps = {
  "initialize: server, capabilities, instructions": async () => {
    assert.equal(client.getServerVersion().name, "modern");
    assert.equal(client.getInstructions(), "ask me anything");
    assert.ok(client.getServerCapabilities().resources.subscribe);
  },
  ping: () => client.ping(),
  "tools: list and call": async () => {
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === "echo"));
    assert.deepEqual(texts(await call("echo", { message: "Grüße 🛳" })), ["Grüße 🛳"]);
  },
  "tools: arguments in headers": async () => {
    assert.deepEqual(texts(await call("mirrored", { region: "Köln", n: -7 })), ["Köln -7"]);
  },
  "tools: an error of the server's": async () => {
    await assert.rejects(call("nothing"), ({ code }) => code === -32602);
  },
  "elicitation, sampling and roots in one round": async () => {
    const from = seen.length;
    const [answers, state] = texts(await call("ask"));
    const { name, say, where } = JSON.parse(answers);
    assert.deepEqual(name, { action: "accept", content: { name: "text" } });
    assert.equal(say.content.text, "sampled: hi");
    assert.deepEqual(where.roots, session.roots);
    assert.equal(state, "first round");
    assert.deepEqual(seen.slice(from).map(({ kind }) => kind).sort(), ["elicitation", "sampling"]);
  },
  "elicitation by a page, and its end": async () => {
    const completed = until("notifications/elicitation/complete");
    const asked = until("elicitation");
    const [answers] = texts(await call("visit"));
    assert.deepEqual(JSON.parse(answers).page, { action: "accept" });
    assert.equal((await completed).elicitationId, (await asked).elicitationId);
  },
  "progress and log messages": async () => {
    await client.setLoggingLevel("info");
    const from = seen.length;
    const progress = [];
    assert.deepEqual(texts(await call("work", {}, { onprogress: (told) => progress.push(told.progress) })), ["done"]);
    assert.deepEqual(seen.slice(from).filter(({ kind }) => kind === "progress").map(({ params }) => params.progress), [1, 2, 3]);
    assert.deepEqual(seen.slice(from).filter(({ kind }) => kind === "log").map(({ params }) => params.data), ["step 1", "step 2", "step 3"]);
  },
  cancellation: async () => {
    const stop = new AbortController();
    const sleeping = call("sleep", {}, { signal: stop.signal });
    setTimeout(() => stop.abort("enough"), 300);
    await assert.rejects(sleeping);
    for (let tries = 0; texts(await call("cancelled"))[0] !== "1"; tries++) assert.ok(tries < 100, "the server should hear of it");
  },
  "resources: list, templates, read": async () => {
    assert.deepEqual((await client.listResources()).resources.map(({ uri }) => uri), ["note:one"]);
    assert.equal((await client.listResourceTemplates()).resourceTemplates[0].uriTemplate, "note:{name}");
    assert.equal((await client.readResource({ uri: "note:two" })).contents[0].text, "two");
    await assert.rejects(client.readResource({ uri: "gone:one" }), ({ code }) => code === -32002);
  },
  "prompts: list and get": async () => {
    assert.equal((await client.listPrompts()).prompts[0].name, "greet");
    const { messages } = await client.getPrompt({ name: "greet", arguments: { name: "Ann" } });
    assert.equal(messages[0].content.text, "greet Ann");
  },
  "subscriptions and changes of lists": async () => {
    await client.subscribeResource({ uri: "note:one" });
    const [updated, changed] = [until("updated"), until("toolsChanged")];
    await call("change");
    assert.equal((await updated).uri, "note:one");
    await changed;
    assert.ok((await client.listTools()).tools.some(({ name }) => name === "extra"));
    await client.unsubscribeResource({ uri: "note:one" });
  },
};

let failed = 0;
for (const [step, run] of Object.entries(steps)) {
  try {
    await run();
    console.log(`ok ${label}: ${step}`);
  } catch (error) {
    failed++;
    console.log(`FAILED ${label}: ${step}: ${error.stack}`);
  }
}
await client.close();
process.exit(failed ? 1 : 0);
