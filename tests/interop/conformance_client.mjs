// What the official conformance suite starts as "the client": one that reaches the suite's server through mcp-ferry.
//
//   node conformance_client.mjs FERRY HOME URL     (the suite adds the URL, and the scenario in the environment)

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { ElicitRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import { through } from "./session.mjs";

const [ferry, home, url] = process.argv.slice(2);
const client = new Client(
  { name: "interop", version: "1.0.0" },
  { capabilities: { elicitation: { form: { applyDefaults: true } } } },
);
client.setRequestHandler(ElicitRequestSchema, () => ({ action: "accept", content: {} }));

const call = (name, args = {}) => client.callTool({ name, arguments: args });
const scenarios = {
  initialize: () => client.listTools(),
  tools_call: () => call("add_numbers", { a: 2, b: 3 }),
  "elicitation-sep1034-client-defaults": () => call("test_client_elicitation_defaults"),
  "sse-retry": () => call("test_reconnection"),
};

await client.connect(through(ferry, new URL(url), home)());
await scenarios[process.env.MCP_CONFORMANCE_SCENARIO]();
await client.close();
