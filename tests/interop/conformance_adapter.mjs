// The server scenarios of the official conformance suite use HTTP, and mcp-ferry's clients use stdio. This adapter connects them: each HTTP
// client gets its own mcp-ferry, which reaches the server.
//
//   node conformance_adapter.mjs ERA FERRY HOME FLAGS URL      prints its address; ERA is its client's, FLAGS are for mcp-ferry
//                                                              ("," between them, "-" for none)

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";

const [era, ferry, home, flags, url] = process.argv.slice(2);
const VERSION = "io.modelcontextprotocol/protocolVersion";
const SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId";
const LEVEL = "io.modelcontextprotocol/logLevel";

function bridge(receive) {
  const env = { HOME: home, MCP_FERRY_HOME: home, PATH: process.env.PATH };
  const child = spawn(ferry, [...(flags === "-" ? [] : flags.split(",")), url], { env, stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.on("error", () => {}); // it has ended; the suite's own timeouts report that
  createInterface({ input: child.stdout }).on("line", (line) => receive(JSON.parse(line)));
  return { write: (message) => child.stdin.write(`${JSON.stringify(message)}\n`), end: () => child.stdin.end() };
}

// Each legacy session is one bridge, and the official package provides its HTTP side.
function legacy() {
  const sessions = new Map();
  return async (request, response) => {
    const id = request.headers["mcp-session-id"];
    if (id) return sessions.has(id) ? sessions.get(id).handleRequest(request, response) : response.writeHead(404).end();
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void (sessions.delete(id), ferried.end()),
    });
    const asked = new Map(); // id: progress token, of the requests in flight
    const ferried = bridge((message) => {
      if (!("method" in message)) asked.delete(message.id);
      const token = message.params?.progressToken;
      const [related] = [...asked].find(([, known]) => token === undefined || known === token) ?? [];
      // Messages that belong to no request, such as list changes, use the GET stream.
      const isOwn = message.method?.endsWith("/list_changed") || message.method === "notifications/resources/updated";
      transport.send(message, isOwn ? {} : { relatedRequestId: related }).catch((error) => console.error(error));
    });
    transport.onmessage = (message) => {
      if ("method" in message && "id" in message) asked.set(message.id, message.params?._meta?.progressToken);
      ferried.write(message);
    };
    await transport.start();
    await transport.handleRequest(request, response);
  };
}

// Modern requests have no session, but request states must return to the same bridge: each address is one bridge.
function modern() {
  const bridges = new Map();
  return async (request, response) => {
    if (request.method !== "POST") return response.writeHead(405).end();
    const message = JSON.parse(await text(request));
    const own = message.params?._meta?.[VERSION];
    if (own !== undefined && own !== request.headers["mcp-protocol-version"]) {
      const error = { code: -32020, message: "the header names another revision" };
      return answerWith(response, { jsonrpc: "2.0", id: message.id, error });
    }
    if (!bridges.has(request.url)) bridges.set(request.url, new Modern());
    bridges.get(request.url).carry(message, response);
  };
}

class Modern {
  constructor() {
    this.asked = new Map(); // id: { message, response }
    this.ferried = bridge((message) => this.#receive(message));
  }

  carry(message, response) {
    this.ferried.write(message);
    if (!("id" in message)) return response.writeHead(202).end();
    this.asked.set(message.id, { message, response });
    response.on("close", () => {
      if (!this.asked.delete(message.id)) return;
      this.ferried.write({ jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: message.id } });
    });
  }

  #receive(message) {
    if ("method" in message) return this.#send(message);
    const { response } = this.asked.get(message.id) ?? {};
    this.asked.delete(message.id);
    if (response) answerWith(response, message);
  }

  // Sends the message on the stream of its request.
  #send(message) {
    const { progressToken, _meta } = message.params ?? {};
    const belongs = ({ id, params: { _meta: own = {} } = {} }) => {
      if (_meta && SUBSCRIPTION in _meta) return id === _meta[SUBSCRIPTION];
      return message.method === "notifications/message" ? LEVEL in own : own.progressToken === progressToken;
    };
    for (const { message: asked, response } of this.asked.values()) {
      if (belongs(asked)) return event(response, message);
    }
    // The suite should see a message without a request.
    for (const { response } of this.asked.values()) event(response, message);
  }
}

const STATUS = { [-32601]: 404, [-32602]: 400, [-32600]: 400, [-32020]: 400, [-32021]: 400, [-32022]: 400 };

function event(response, message) {
  if (!response.headersSent) response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write(`event: message\ndata: ${JSON.stringify(message)}\n\n`);
}

function answerWith(response, message) {
  if (response.headersSent) {
    event(response, message);
    return response.end();
  }
  response.writeHead(STATUS[message.error?.code] ?? 200, { "Content-Type": "application/json" });
  response.end(JSON.stringify(message));
}

createServer({ legacy, modern }[era]()).listen(0, "127.0.0.1", function () {
  console.log(`http://127.0.0.1:${this.address().port}`);
});
