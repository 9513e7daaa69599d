// An MCP server for load. Its tools count their calls, wait for each other, and take and return large texts.
//
//   node load_server.mjs PORT
//
// `/load` has a GET stream, `/quiet` has none and answers in JSON. GET `/counts` tells how often each key was called.

import { createHash, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { CallToolRequestSchema, ListToolsRequestSchema } from "@modelcontextprotocol/sdk/types.js";

const counts = {};
const groups = {};
const digest = (text) => createHash("sha256").update(text).digest("hex");

const TOOLS = {
  // Answers after this time.
  wait: async ({ milliseconds }) => {
    await delay(milliseconds);
    return "waited";
  },
  // Answers when this many calls of the group are in flight at once.
  together: async ({ group, size }) => {
    groups[group] ??= { there: 0, ...Promise.withResolvers() };
    groups[group].there += 1;
    if (groups[group].there === size) groups[group].resolve("together");
    return Promise.race([groups[group].promise, delay(20_000).then(() => `only ${groups[group].there} came`)]);
  },
  result: ({ length, mark }) => mark + "x".repeat(length),
  argument: ({ text }) => `${text.length} ${digest(text)}`,
  // Sends a notification that belongs to no request.
  announce: async ({ key }, server) => {
    await server.sendLoggingMessage({ level: "info", data: key });
    return "announced";
  },
};

function makeServer() {
  const server = new Server({ name: "load", version: "1" }, { capabilities: { tools: {}, logging: {} } });
  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: Object.keys(TOOLS).map((name) => ({ name, inputSchema: { type: "object" } })),
  }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }) => {
    const { key } = params.arguments;
    counts[key] = (counts[key] ?? 0) + 1;
    return { content: [{ type: "text", text: await TOOLS[params.name](params.arguments, server) }] };
  });
  return server;
}

// Serves an MCP server over Streamable HTTP, with a server made by `make` for each session.
export function mcpEndpoint(make, options) {
  const transports = new Map();
  return async (request, response) => {
    const id = request.headers["mcp-session-id"];
    let transport = transports.get(id);
    if (id && !transport) return response.writeHead(404).end();
    if (!transport) {
      const keep = (session) => transports.set(session, transport);
      transport = new StreamableHTTPServerTransport({ sessionIdGenerator: randomUUID, onsessioninitialized: keep, ...options });
      await make().connect(transport);
    }
    // The SDK itself reads no body of more than 4 MiB.
    await transport.handleRequest(request, response, request.method === "POST" ? await json(request) : undefined);
  };
}

const load = mcpEndpoint(makeServer);
const quiet = mcpEndpoint(makeServer, { enableJsonResponse: true });

export async function handleLoad(request, response) {
  try {
    await route(request, response);
  } catch (error) {
    // A request that breaks off is no reason to end.
    console.error(`${request.method} ${request.url}: ${error.message}`);
    response.destroy();
  }
}

function route(request, response) {
  const path = request.url.split("?")[0];
  if (path === "/counts") return response.end(JSON.stringify(counts));
  if (path === "/load") return load(request, response);
  if (path === "/quiet" && request.method !== "GET") return quiet(request, response);
  return response.writeHead(path === "/quiet" ? 405 : 404).end();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const server = createServer(handleLoad);
  // A proxy that uses a connection again must not meet its end.
  server.keepAliveTimeout = 300_000;
  server.listen(Number(process.argv[2]), "127.0.0.1");
}
