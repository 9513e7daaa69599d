// A server of one era for the server scenarios of the official conformance suite, built with the official package of that era.
//
//   node conformance_server.mjs legacy|modern      prints its address

import { randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { Server as LegacyServer } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import * as legacy from "@modelcontextprotocol/sdk/types.js";
import * as modern from "@modelcontextprotocol/server";
import * as z from "zod";
import { capabilities, completion, extension, listedPrompts, listedResources, listedTemplates, listedTools, prompts, resource, tools } from "./conformance_fixtures.mjs";

const INFO = { name: "conformance-fixtures", version: "1.0.0" };
const [era] = process.argv.slice(2);

// The result of a request, by its method. `host` provides what a tool or prompt may need.
const methods = {
  "tools/list": () => ({ tools: listedTools }),
  "tools/call": ({ name, arguments: args = {} }, host) => known(tools, name).run(host, args),
  "prompts/list": () => ({ prompts: listedPrompts }),
  "prompts/get": async ({ name, arguments: args = {} }, host) => ({ messages: await known(prompts, name).run(host, args) }),
  "resources/list": () => ({ resources: listedResources }),
  "resources/templates/list": () => ({ resourceTemplates: listedTemplates }),
  "completion/complete": () => completion,
};

const invalid = (why) => new (era === "modern" ? modern.ProtocolError : legacy.McpError)(-32602, why);

function known(things, name) {
  if (!Object.hasOwn(things, name)) throw invalid(`nothing has the name ${name}`);
  return things[name];
}

function found(answer, params = {}) {
  const result = answer(params);
  if (!result) throw invalid(`there is no ${params.uri}`);
  return result;
}

function legacyServer(sessions) {
  const server = new LegacyServer(INFO, { capabilities });
  const schemas = {
    "tools/list": legacy.ListToolsRequestSchema,
    "tools/call": legacy.CallToolRequestSchema,
    "prompts/list": legacy.ListPromptsRequestSchema,
    "prompts/get": legacy.GetPromptRequestSchema,
    "resources/list": legacy.ListResourcesRequestSchema,
    "resources/templates/list": legacy.ListResourceTemplatesRequestSchema,
    "completion/complete": legacy.CompleteRequestSchema,
  };
  const answers = {
    "elicitation/create": legacy.ElicitResultSchema,
    "sampling/createMessage": legacy.CreateMessageResultSchema,
    "roots/list": legacy.ListRootsResultSchema,
  };
  for (const [method, answer] of Object.entries(methods)) {
    server.setRequestHandler(schemas[method], async ({ params }, { sendRequest, sendNotification }) => {
      const token = params?._meta?.progressToken;
      const host = {
        async ask(questions) {
          const asked = Object.entries(questions).map(async ([key, question]) => [key, await sendRequest(question, answers[question.method])]);
          return Object.fromEntries(await Promise.all(asked));
        },
        can: (capability) => capability in server.getClientCapabilities(),
        log: (level, data) => sendNotification({ method: "notifications/message", params: { level, data } }),
        progress: (progress, total) =>
          token !== undefined && sendNotification({ method: "notifications/progress", params: { progressToken: token, progress, total } }),
        changed(kind) {
          for (const other of sessions()) other.notification({ method: `notifications/${kind}/list_changed` });
        },
      };
      return answer(params, host);
    });
  }
  server.setRequestHandler(legacy.ReadResourceRequestSchema, ({ params: { uri } }) => {
    const found = resource(uri);
    if (!found) throw new legacy.McpError(-32002, "Resource not found", { uri });
    return { contents: [found] };
  });
  for (const [method, answer] of Object.entries(extension)) {
    const schema = z.object({ method: z.literal(method), params: z.looseObject({}).optional() });
    server.setRequestHandler(schema, ({ params }) => found(answer, params));
  }
  server.setRequestHandler(legacy.SubscribeRequestSchema, () => ({}));
  server.setRequestHandler(legacy.UnsubscribeRequestSchema, () => ({}));
  return server;
}

function legacyHandler() {
  const sessions = new Map(); // id: { server, transport }
  const servers = () => [...sessions.values()].map(({ server }) => server);
  return async (request, response) => {
    const id = request.headers["mcp-session-id"];
    if (id) {
      const session = sessions.get(id);
      return session ? session.transport.handleRequest(request, response) : response.writeHead(404).end();
    }
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => void sessions.set(id, { server, transport }),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const server = legacyServer(servers);
    await server.connect(transport);
    await transport.handleRequest(request, response);
  };
}

// A tool or prompt that needs input runs again for each round: it gets the responses so far and stops where it needs more.
class More extends Error {
  constructor(questions) {
    super("more is to be asked");
    this.questions = questions;
  }
}

function modernHandler() {
  const { mint, verify } = modern.createRequestStateCodec({ key: randomBytes(32) });
  const isAnswer = (answer) => typeof answer === "object" && answer !== null;
  const make = () => {
    const server = new modern.Server(INFO, { capabilities, requestState: { verify } });
    for (const [method, answer] of Object.entries(methods)) {
      server.setRequestHandler(method, async ({ params }, context) => {
        const { mcpReq } = context;
        const token = mcpReq._meta?.progressToken;
        const known = { ...mcpReq.requestState(), ...mcpReq.inputResponses };
        const host = {
          ask(questions) {
            const missing = Object.entries(questions).filter(([key]) => !isAnswer(known[key]));
            if (missing.length) throw new More(Object.fromEntries(missing));
            return known;
          },
          can: (capability) => capability in mcpReq.envelope["io.modelcontextprotocol/clientCapabilities"],
          log: (level, data) => mcpReq.log(level, data),
          progress: (progress, total) =>
            token !== undefined && mcpReq.notify({ method: "notifications/progress", params: { progressToken: token, progress, total } }),
          changed: (kind) => handler.notify[`${kind}Changed`](),
        };
        try {
          return await answer(params, host);
        } catch (error) {
          if (!(error instanceof More)) throw error;
          return modern.inputRequired({ inputRequests: error.questions, requestState: await mint(known, context) });
        }
      });
    }
    for (const [method, answer] of Object.entries(extension)) {
      server.setRequestHandler(method, { params: z.looseObject({}) }, (params) => found(answer, params));
    }
    server.setRequestHandler("resources/read", ({ params: { uri } }) => {
      const found = resource(uri);
      if (!found) throw new modern.ProtocolError(-32602, "Resource not found", { uri });
      return { contents: [found] };
    });
    return server;
  };
  const handler = modern.createMcpHandler(make, { legacy: "reject" });
  return toNodeHandler(handler);
}

createServer({ legacy: legacyHandler, modern: modernHandler }[era]()).listen(0, "127.0.0.1", function () {
  console.log(`http://127.0.0.1:${this.address().port}/mcp`);
});
