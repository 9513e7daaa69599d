// A certified authorization server (oidc-provider, with a path in its issuer and metadata only where OpenID puts it) and an MCP
// server (the SDK's, with the SDK's own bearer check) that trusts it. All requests are counted, and each can be made to fail.

import { once } from "node:events";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import express from "express";
import { InvalidTokenError } from "@modelcontextprotocol/sdk/server/auth/errors.js";
import { requireBearerAuth } from "@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import Provider from "oidc-provider";
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js";
import { z } from "zod";

const PATH = "/realms/ferry";

// `forms`: the user must fill in oidc-provider's own pages; otherwise every user is signed in and agrees. `lifetime`: of an access token,
// in seconds. `grace`: how long a used refresh token is still accepted, in seconds. `scopes`: further scopes that may be registered; by
// default the server refuses registrations with the scopes of a resource. `pushed`: authorization requests must be pushed (RFC 9126);
// a number is how many seconds such a request is valid.
// `loopback`: only this host may be in a redirect URI. `asForm`: the token endpoint answers with a form. `bare`: one origin, the default
// endpoints of 2025-03-26, and no metadata of any kind; `client`: a client that is registered there already. `documents`: client ID
// metadata documents are taken; of these, by their address, no other can be fetched.
export async function serve(shape = {}) {
  const { lifetime = 5, grace = 0, forms = false, scopes = [], pushed, loopback, asForm, bare, client, documents } = shape;
  const servers = { issuer: createServer(), resource: createServer() };
  for (const server of Object.values(servers)) await once(server.listen(0, "127.0.0.1"), "listening");
  const origin = (server) => `http://127.0.0.1:${server.address().port}`;
  const root = bare ? "" : PATH;
  const issuer = origin(bare ? servers.resource : servers.issuer) + root;
  const url = `${origin(servers.resource)}/mcp`;

  const world = {
    issuer,
    url,
    lifetime,
    counts: { registrations: 0, logins: 0, refreshes: 0, reuses: 0, refused: 0, requests: 0 },
    clients: new Set(), // the ids of those that got tokens
    errors: [], // what the token endpoint had to refuse
    authorizationHeaders: [], // of requests to the authorization server that carried somebody's own header
    token: async () => {}, // what happens at the token endpoint before it works: (params) => "lose" | "lose before" | 500 | …
    refuse: () => seen.splice(0).forEach((token) => refused.add(token)), // access tokens in use, though they have not expired
    forget: () => (store = createMemoryAdapter(0)),
    close: () => Object.values(servers).forEach((server) => (server.close(), server.closeAllConnections())),
  };

  let store = createMemoryAdapter(0);
  class Adapter {
    constructor(model) {
      this.model = model;
      for (const method of ["upsert", "find", "findByUid", "findByUserCode", "destroy", "revokeByGrantId"]) {
        this[method] = (...args) => store(model)[method](...args);
      }
    }
    async consume(id) {
      const kept = store(this.model);
      if (this.model !== "RefreshToken" || !grace) return kept.consume(id);
      setTimeout(() => kept.consume(id).catch(() => {}), grace * 1000).unref();
    }
  }

  const provider = new Provider(issuer, {
    adapter: Adapter,
    clockTolerance: 0,
    cookies: { keys: ["interop"] },
    ...(bare ? { routes: { authorization: "/authorize", registration: "/register" } } : {}),
    ...(client ? { clients: [client] } : {}),
    ...(documents ? { fetch: async (url) => read(documents, String(url)) } : {}),
    ...(pushed > 1 ? { ttl: { PushedAuthorizationRequest: pushed } } : {}),
    features: {
      ...(pushed ? { pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true } } : {}),
      ...(documents ? { clientIdMetadataDocument: { enabled: true, ack: "draft-02" } } : {}),
      devInteractions: { enabled: forms },
      registration: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        ...(bare ? { defaultResource: () => url } : {}),
        getResourceServerInfo: (_, resource) => {
          if (resource !== url) throw new Error(`nobody knows the resource ${resource}`);
          return { scope: "mcp:read mcp:write", audience: url, accessTokenTTL: world.lifetime, accessTokenFormat: "opaque" };
        },
      },
    },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    ...(forms ? {} : { interactions: { url: (_, { uid }) => `${root}/agree/${uid}` } }),
    pkce: { required: () => true },
    rotateRefreshToken: true,
    scopes: ["openid", "offline_access", ...scopes],
    ttl: { Grant: 3600, RefreshToken: 3600, Session: 3600, Interaction: 3600, IdToken: 3600 },
  });
  provider.on("registration_create.success", () => (world.counts.registrations += 1));
  provider.on("grant.success", ({ oidc }) => {
    world.counts[oidc.params.grant_type === "refresh_token" ? "refreshes" : "logins"] += 1;
    world.clients.add(oidc.client.clientId);
  });
  provider.on("grant.error", (ctx, error) => {
    world.errors.push(`${error.error}: ${error.error_detail ?? error.error_description}`);
    if (/already used/.test(`${error.error_detail} ${error.error_description}`)) world.counts.reuses += 1;
  });
  provider.on("server_error", (_, error) => world.errors.push(String(error.stack ?? error)));

  provider.use(async (ctx, next) => {
    if (loopback && ctx.method === "POST" && ctx.path === "/reg") {
      ctx.req.body = await text(ctx.req);
      if (!JSON.parse(ctx.req.body).redirect_uris.every((uri) => new URL(uri).hostname === loopback)) {
        return (ctx.status = 400), (ctx.body = { error: "invalid_redirect_uri", error_description: `only ${loopback}` });
      }
    }
    if (ctx.method !== "POST" || ctx.path !== "/token") return next();
    const fault = await world.token();
    if (fault === "lose before" || ctx.req.socket.destroyed) return lose(ctx);
    if (fault === 500) return (ctx.status = 500), (ctx.body = "the database is away");
    await next();
    if (asForm) {
      const { body } = ctx;
      ctx.body = new URLSearchParams(body).toString();
      ctx.type = "application/x-www-form-urlencoded";
    }
    if (fault === "lose") lose(ctx);
  });
  const lose = (ctx) => {
    ctx.respond = false;
    ctx.req.socket.destroy();
  };

  // A user who is signed in and agrees to everything.
  const agree = async (request, response) => {
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    if (prompt.name === "login") {
      return provider.interactionFinished(request, response, { login: { accountId: "ann" } });
    }
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
    grant.addOIDCScope(["openid", ...missingOIDCScope].join(" "));
    for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes.join(" "));
    const result = { consent: { grantId: await grant.save() } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  };

  const answer = provider.callback();
  const authorize = (request, response) => {
    if (request.headers["x-own"]) world.authorizationHeaders.push(request.url);
    if (!request.url.startsWith(`${root}/`)) return response.writeHead(404).end("nothing here");
    if (bare && request.url.startsWith("/.well-known/")) return response.writeHead(404).end("nothing here");
    if (request.url.startsWith(`${root}/agree/`)) {
      return agree(request, response).catch((error) => response.writeHead(500).end(String(error)));
    }
    request.originalUrl = request.url;
    request.url = request.url.slice(root.length);
    answer(request, response);
  };
  servers.issuer.on("request", authorize);

  const [seen, refused] = [[], new Set()];
  const verifier = {
    verifyAccessToken: async (token) => {
      const found = await provider.AccessToken.find(token);
      if (!found || found.isExpired || found.aud !== url || refused.has(token)) {
        world.counts.refused += 1;
        throw new InvalidTokenError("expired or revoked");
      }
      seen.push(token);
      return { token, clientId: found.clientId, scopes: [...found.scopes], expiresAt: found.exp };
    },
  };
  const metadata = `${origin(servers.resource)}/.well-known/oauth-protected-resource/mcp`;
  const bearer = requireBearerAuth(bare ? { verifier } : { verifier, requiredScopes: ["mcp:read"], resourceMetadataUrl: metadata });
  const sessions = new Map();

  const app = express();
  if (!bare) app.get("/.well-known/oauth-protected-resource/mcp", (_, response) => {
    response.json({ resource: url, authorization_servers: [issuer], scopes_supported: ["mcp:read"] });
  });
  app.use("/mcp", bearer, express.json(), async (request, response) => {
    world.counts.requests += 1;
    const writes = request.body?.method === "tools/call" && request.body.params.name === "write";
    if (writes && !request.auth.scopes.includes("mcp:write")) {
      const challenge = `Bearer error="insufficient_scope", scope="mcp:write", resource_metadata="${metadata}"`;
      return response.set("WWW-Authenticate", challenge).status(403).json({ error: "insufficient_scope" });
    }
    let transport = sessions.get(request.headers["mcp-session-id"]);
    if (!transport && request.headers["mcp-session-id"]) return response.status(404).end();
    if (!transport) {
      transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
      });
      await tools().connect(transport);
    }
    await transport.handleRequest(request, response, request.body);
  });
  if (bare) app.use(authorize);
  servers.resource.on("request", app);
  return world;
}

// What a server gets at the address of a document.
function read(documents, url) {
  const found = documents[url];
  return found ? Response.json(found) : new Response("nothing here", { status: 404 });
}

function tools() {
  const server = new McpServer({ name: "notes", version: "1.0.0" });
  const text = (words) => ({ content: [{ type: "text", text: words }] });
  server.registerTool("echo", { inputSchema: { words: z.string() } }, async ({ words }) => text(words));
  server.registerTool("write", { inputSchema: { words: z.string() } }, async ({ words }) => text(`written: ${words}`));
  server.registerTool("slow", { inputSchema: { words: z.string() } }, async ({ words }) => (await sleep(300), text(words)));
  return server;
}
