// The program that the official conformance suite starts as "the client" in its scenarios without authorization: it is of one era and
// reaches the suite's server, which may be of the other era, through mcp-ferry.
//
//   node conformance_client.mjs FERRY HOME ERA FLAGS URL     (FLAGS for mcp-ferry, "," between them, "-" for none;
//                                                             the suite adds the URL, and the scenario in the environment)

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Session } from "./stdio.mjs";

const [ferry, home, era, flags, url] = process.argv.slice(2);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const given = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

// A form's defaults, and true for fields without a default.
const filled = ({ properties }) => Object.fromEntries(Object.entries(properties).map(([name, { default: value = true }]) => [name, value]));
let interrupt; // runs before the program answers its first input request

const session = new Session(ferry, [...(flags === "-" ? [] : flags.split(",")), url], home, {
  revision: era === "modern" ? "2026-07-28" : "2025-11-25",
  capabilities: { roots: {}, sampling: {}, elicitation: {} },
  label: "",
  async answer(method, params) {
    assert.equal(method, "elicitation/create");
    const first = interrupt;
    interrupt = undefined;
    await first?.();
    return { action: "accept", content: filled(params.requestedSchema) };
  },
});
const list = async () => (await session.result("tools/list")).tools;
const call = (name, args = {}) => session.call(name, args);

// A host of skills: it loads a skill on demand and checks it against its entry.
const skills = async () => (await session.result("skills/list")).skills;
const fits = (text, { frontmatter, resources: [{ digest, size }] }) =>
  Buffer.byteLength(text) === size &&
  digest === `sha256:${createHash("sha256").update(text).digest("hex")}` &&
  Object.entries(frontmatter).every(([name, value]) => text.split("---")[1].split("\n").includes(`${name}: ${value}`));
const load = async () => {
  const [skill] = await skills();
  for (const { uri } of skill.resources) {
    const { contents } = await session.result("resources/read", { uri });
    if (uri === skill.uri && !fits(contents[0].text, skill)) return;
  }
  throw new Error("the file was not changed on its way; it should have been");
};

const scenarios = {
  initialize: list,
  tools_call: async () => {
    const [{ name }] = await list();
    assert.match(await call(name, { a: 2, b: 3 }), /\b5\b/);
  },
  // Both use the server's GET stream, which is open by the second request.
  "elicitation-sep1034-client-defaults": async () => {
    await list();
    await call("test_client_elicitation_defaults");
  },
  "sse-retry": async () => {
    await list();
    await call("test_reconnection");
  },
  "json-schema-ref-no-deref": list,
  "json-schema-2020-12-preservation": async () => {
    const { inputSchema } = (await list()).find(({ name }) => name === "json_schema_2020_12_tool");
    await call("json_schema_echo", { schema: inputSchema });
  },
  "request-metadata": async () => {
    // The first request is refused because of its revision, and the error offers the same revision.
    const { error } = await session.ask(era === "modern" ? "server/discover" : "tools/list");
    if (error) assert.deepEqual([error.code, error.data.supported], [-32022, ["2026-07-28"]]);
    await list();
  },
  "sep-2322-client-request-state": async () => {
    assert.equal((await list()).length, 4);
    interrupt = () => call("test_mrtr_unrelated");
    assert.equal(await call("test_mrtr_echo_state"), "echo-state-ok");
    assert.equal(await call("test_mrtr_no_state"), "no-state-ok");
    assert.equal(await call("test_mrtr_no_result_type"), "no-result-type-test-ok");
  },
  "http-standard-headers": async () => {
    for (const { name } of await list()) await call(name);
    const { resources } = await session.result("resources/list");
    for (const { uri } of resources) await session.result("resources/read", { uri });
    const { prompts } = await session.result("prompts/list");
    for (const { name } of prompts) await session.result("prompts/get", { name });
  },
  "http-custom-headers": async () => {
    await list();
    for (const { name, arguments: args } of given.toolCalls) await call(name, args);
  },
  "http-invalid-tool-headers": async () => {
    // A program without support for headers calls every listed tool.
    for (const { name } of await list()) await call(name, { region: "north" });
  },
  "sep-2640-client-no-prefetch": skills,
  "sep-2640-client-verify-digest": load,
  "sep-2640-client-verify-size": load,
  "sep-2640-client-verify-frontmatter": load,
};

if (!scenarios[scenario]) throw new Error(`no client for the scenario ${scenario}`);
await session.open();
await scenarios[scenario]();
await session.close();
