// A server of the legacy era, with sessions, built with the official package's first major version: prints its address.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { complete, content, greet, page, read, tools } from "./tools.mjs";

const RESULTS = {
  "elicitation/create": types.ElicitResultSchema,
  "sampling/createMessage": types.CreateMessageResultSchema,
  "roots/list": types.ListRootsResultSchema,
};

function peerOf(server, subscribed, { signal, sendNotification, sendRequest, sessionId, _meta }) {
  const progressToken = _meta?.progressToken;
  return {
    signal,
    ask: async (requests) => {
      const answers = Object.entries(requests).map(async ([name, request]) => [name, await sendRequest(request, RESULTS[request.method])]);
      return Object.fromEntries(await Promise.all(answers));
    },
    progress: async (told) => {
      if (progressToken !== undefined) await sendNotification({ method: "notifications/progress", params: { progressToken, ...told } });
    },
    log: (level, data) => {
      if (!server.isMessageIgnored(level, sessionId)) return sendNotification({ method: "notifications/message", params: { level, data, logger: "peer" } });
    },
    change: async (uri) => {
      await server.sendToolListChanged();
      await server.sendPromptListChanged();
      await server.sendResourceListChanged();
      if (subscribed.has(uri)) await server.sendResourceUpdated({ uri });
    },
  };
}

function make() {
  const changing = { listChanged: true };
  const capabilities = { logging: {}, completions: {}, tools: changing, prompts: changing, resources: { ...changing, subscribe: true } };
  const server = new Server({ name: "typescript-legacy", version: content.version }, { instructions: content.instructions, capabilities });
  const subscribed = new Set();
  const on = (schema, answer) => server.setRequestHandler(schema, ({ params }, extra) => answer(params ?? {}, extra));
  on(types.ListToolsRequestSchema, ({ cursor }) => page("tools", cursor));
  on(types.CallToolRequestSchema, ({ name, arguments: args = {} }, extra) => {
    if (!tools[name]) throw new types.McpError(-32602, `no tool ${name}`);
    return tools[name](args, peerOf(server, subscribed, extra));
  });
  on(types.ListResourcesRequestSchema, ({ cursor }) => page("resources", cursor));
  on(types.ListResourceTemplatesRequestSchema, ({ cursor }) => page("resourceTemplates", cursor));
  on(types.ReadResourceRequestSchema, ({ uri }) => {
    const contents = read(uri);
    if (!contents) throw new types.McpError(-32002, `no resource ${uri}`);
    return contents;
  });
  on(types.SubscribeRequestSchema, ({ uri }) => (subscribed.add(uri), {}));
  on(types.UnsubscribeRequestSchema, ({ uri }) => (subscribed.delete(uri), {}));
  on(types.ListPromptsRequestSchema, ({ cursor }) => page("prompts", cursor));
  on(types.GetPromptRequestSchema, ({ arguments: args }) => greet(args.name));
  on(types.CompleteRequestSchema, complete);
  return server;
}

const sessions = new Map();
createServer(async (request, response) => {
  const known = request.headers["mcp-session-id"];
  let transport = sessions.get(known);
  if (known && !transport) return response.writeHead(404).end();
  if (!transport) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => sessions.set(id, transport),
      onsessionclosed: (id) => sessions.delete(id),
    });
    await make().connect(transport);
  }
  await transport.handleRequest(request, response);
}).listen(0, "127.0.0.1", function () {
  console.log(`http://127.0.0.1:${this.address().port}/mcp`);
});
