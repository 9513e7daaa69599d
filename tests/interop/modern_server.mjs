// A server of the modern era alone, built with the official package, that needs all the rounds there are.
//
//   node modern_server.mjs [reject|stateless]      prints its address; the second also has a legacy side, without sessions

import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { McpServer, ResourceTemplate, completable, createMcpHandler, fromJsonSchema, inputRequired } from "@modelcontextprotocol/server";

const [legacy = "reject"] = process.argv.slice(2);
const schema = (properties, required = []) => fromJsonSchema({ type: "object", properties, required });
const text = (...lines) => ({ content: lines.map((line) => ({ type: "text", text: typeof line === "string" ? line : JSON.stringify(line) })) });
const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(new Error("cancelled"))));
  });

let cancelled = 0;
let extra = false;

function make() {
  const server = new McpServer(
    { name: "modern", version: "1.0.0" },
    {
      instructions: "ask me anything",
      capabilities: {
        logging: {},
        completions: {},
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
      },
    },
  );
  server.registerTool("echo", { inputSchema: schema({ message: { type: "string" } }) }, ({ message }) => text(message));
  server.registerTool(
    "mirrored",
    { inputSchema: schema({ region: { type: "string", "x-mcp-header": "Region" }, n: { type: "integer", "x-mcp-header": "N" } }) },
    ({ region, n }) => text(`${region} ${n}`),
  );
  server.registerTool("ask", { inputSchema: schema({}) }, (_, { mcpReq }) => {
    const answers = mcpReq.inputResponses;
    if (!answers) {
      return inputRequired({
        inputRequests: {
          name: inputRequired.elicit({ message: "who?", requestedSchema: { type: "object", properties: { name: { type: "string" } } } }),
          say: inputRequired.createMessage({ messages: [{ role: "user", content: { type: "text", text: "hi" } }], maxTokens: 9 }),
          where: inputRequired.listRoots(),
        },
        requestState: "first round",
      });
    }
    return text(answers, mcpReq.requestState?.() ?? "no state");
  });
  server.registerTool("visit", { inputSchema: schema({}) }, (_, { mcpReq }) =>
    mcpReq.inputResponses
      ? text(mcpReq.inputResponses)
      : inputRequired({ inputRequests: { page: inputRequired.elicitUrl({ message: "log in", url: "https://example.com/login" }) } }),
  );
  server.registerTool("work", { inputSchema: schema({}) }, async (_, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    for (let progress = 1; progress <= 3; progress++) {
      if (progressToken !== undefined) {
        await mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress, total: 3 } });
      }
      await mcpReq.log?.("info", `step ${progress}`);
    }
    return text("done");
  });
  server.registerTool("sleep", { inputSchema: schema({}) }, async (_, { mcpReq }) => {
    mcpReq.signal.addEventListener("abort", () => cancelled++);
    await pause(60_000, mcpReq.signal);
    return text("slept");
  });
  server.registerTool("cancelled", { inputSchema: schema({}) }, () => text(String(cancelled)));
  server.registerTool("change", { inputSchema: schema({}) }, () => {
    extra = !extra;
    handler.notify.toolsChanged();
    handler.notify.resourceUpdated("note:one");
    return text("changed");
  });
  if (extra) server.registerTool("extra", { inputSchema: schema({}) }, () => text("extra"));
  server.registerResource("one", "note:one", {}, (uri) => ({ contents: [{ uri: uri.href, text: "one" }] }));
  server.registerResource("any", new ResourceTemplate("note:{name}", { list: undefined }), {}, (uri, { name }) => ({
    contents: [{ uri: uri.href, text: String(name) }],
  }));
  server.registerPrompt("greet", { argsSchema: schema({ name: { type: "string" } }) }, ({ name }) => ({
    messages: [{ role: "user", content: { type: "text", text: `greet ${name}` } }],
  }));
  return server;
}

const handler = createMcpHandler(make, { legacy });
createServer(toNodeHandler(handler)).listen(0, "127.0.0.1", function () {
  console.log(`http://127.0.0.1:${this.address().port}/mcp`);
});
