// A Node server that speaks HTTP/2 and HTTP/1.1 over TLS, with the reference server at `/mcp` and the server for load beside it.
//
//   node http2_node.mjs PORT CERTIFICATE KEY
//
// Prints a line for each request. SIGHUP ends every connection of HTTP/2 gracefully, with GOAWAY.

import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { createServer } from "./node_modules/@modelcontextprotocol/server-everything/dist/server/index.js";
import { handleLoad, mcpEndpoint } from "./load_server.mjs";

const [port, cert, key] = process.argv.slice(2);
const reference = mcpEndpoint(() => createServer().server);

const server = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key), allowHTTP1: true }, (request, response) => {
  const { httpVersion, socket, method, url, headers } = request;
  console.log([httpVersion, socket.remotePort, method, url, headers["user-agent"]].join("|"));
  return url.startsWith("/mcp") ? reference(request, response) : handleLoad(request, response);
});
const sessions = new Set();
server.on("session", (session) => {
  sessions.add(session);
  session.on("close", () => sessions.delete(session));
});
process.on("SIGHUP", () => {
  for (const session of sessions) session.close();
});
server.listen(Number(port), "0.0.0.0");
