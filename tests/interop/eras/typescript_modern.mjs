// A server of only the modern era, built with the official package: prints its address.

import { createServer } from "node:http";
import { toNodeHandler } from "@modelcontextprotocol/node";
import { ProtocolError, ResourceNotFoundError, Server, createMcpHandler, inputRequired } from "@modelcontextprotocol/server";
import { complete, content, greet, page, read, tools } from "./tools.mjs";

class InputRequired extends Error {}

// The state carries the responses of earlier rounds; an unanswered input request ends this round.
function peerOf(mcpReq) {
  const answers = { ...JSON.parse(mcpReq.requestState() ?? "{}"), ...mcpReq.inputResponses };
  const progressToken = mcpReq._meta?.progressToken;
  return {
    signal: mcpReq.signal,
    ask: async (inputRequests) => {
      if (Object.keys(inputRequests).every((name) => name in answers)) return answers;
      throw Object.assign(new InputRequired(), { result: inputRequired({ inputRequests, requestState: JSON.stringify(answers) }) });
    },
    progress: async (told) => {
      if (progressToken !== undefined) await mcpReq.notify({ method: "notifications/progress", params: { progressToken, ...told } });
    },
    log: (level, data) => mcpReq.log(level, data, "peer"),
    change: (uri) => {
      handler.notify.toolsChanged();
      handler.notify.promptsChanged();
      handler.notify.resourcesChanged();
      handler.notify.resourceUpdated(uri);
    },
  };
}

function make() {
  const changing = { listChanged: true };
  const capabilities = { logging: {}, completions: {}, tools: changing, prompts: changing, resources: { ...changing, subscribe: true } };
  const server = new Server({ name: "typescript-modern", version: content.version }, { instructions: content.instructions, capabilities });
  server.setRequestHandler("tools/list", ({ params }) => page("tools", params?.cursor));
  server.setRequestHandler("tools/call", async ({ params }, { mcpReq }) => {
    const tool = tools[params.name];
    if (!tool) throw new ProtocolError(-32602, `no tool ${params.name}`);
    try {
      return await tool(params.arguments ?? {}, peerOf(mcpReq));
    } catch (error) {
      if (error instanceof InputRequired) return error.result;
      throw error;
    }
  });
  server.setRequestHandler("resources/list", ({ params }) => page("resources", params?.cursor));
  server.setRequestHandler("resources/templates/list", ({ params }) => page("resourceTemplates", params?.cursor));
  server.setRequestHandler("resources/read", ({ params }) => {
    const contents = read(params.uri);
    if (!contents) throw new ResourceNotFoundError(params.uri);
    return contents;
  });
  server.setRequestHandler("prompts/list", ({ params }) => page("prompts", params?.cursor));
  server.setRequestHandler("prompts/get", ({ params }) => greet(params.arguments.name));
  server.setRequestHandler("completion/complete", ({ params }) => complete(params));
  return server;
}

const handler = createMcpHandler(make, { legacy: "reject" });
createServer(toNodeHandler(handler)).listen(0, "127.0.0.1", function () {
  console.log(`http://127.0.0.1:${this.address().port}/mcp`);
});
