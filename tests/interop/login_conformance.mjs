// The program that the official conformance suite starts as "the client" in its scenarios about authorization: it has no support for
// logins and uses mcp-ferry, which logs in.
//
//   node login_conformance.mjs FERRY HOME REVISION MANNER URL     (REVISION is the program's; the suite adds the URL, and in the
//                                                                 environment the scenario and its own revision)
//
// MANNER is how the program uses a server: "direct" lists once and calls the tool that it knows, which begins the login; "patient" lists
// until the tool is there, and only then calls it, as a host does whose model sees nothing but the list.

import { mkdirSync, writeFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Session } from "./stdio.mjs";

const [ferry, home, revision, manner, url] = process.argv.slice(2);
const scenario = process.env.MCP_CONFORMANCE_SCENARIO;
const given = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? "{}");

// Writes a secret to a file, whose name may be an argument.
const file = (name, text) => {
  mkdirSync(home, { recursive: true });
  writeFileSync(`${home}/${name}`, text, { mode: 0o600 });
  return `${home}/${name}`;
};
const secret = () => ["--client-id", given.client_id, "--client-secret-file", file("secret", given.client_secret)];

// The options that a user would set, by scenario; most scenarios need none.
const flags = {
  "auth/basic-cimd": () => ["--client-metadata-url", "https://conformance-test.local/client-metadata.json"],
  "auth/pre-registration": secret,
  "auth/client-credentials-basic": () => ["--client-credentials", ...secret()],
  "auth/client-credentials-jwt": () =>
    ["--client-credentials", "--client-id", given.client_id, "--private-key", file("key.pem", given.private_key_pem)],
  "auth/enterprise-managed-authorization": () => [
    ...["--idp-token-endpoint", given.idp_token_endpoint, "--idp-client-id", given.idp_client_id],
    ...["--idp-token-file", file("id-token", given.idp_id_token), ...secret()],
  ],
  "auth/wif-jwt-bearer": () => ["--client-id", given.client_id, "--workload-token-file", file("workload-token", given.valid_jwt)],
};

const isTranslated = revision === "2026-07-28" && process.env.MCP_CONFORMANCE_PROTOCOL_VERSION !== revision;
const era = isTranslated ? ["--client-protocol", "modern"] : [];
const session = new Session(ferry, [...era, ...(flags[scenario]?.() ?? []), url], home, { revision, label: "" });

// Lists the tools until the server's own one is among them. Without a login the list has the bridge's tool alone, or is an error.
async function list() {
  const patience = Date.now() + 15_000;
  for (;;) {
    const tools = await session.tools().catch((error) => [error.message]);
    if (tools.includes("test-tool")) return;
    if (Date.now() > patience) throw new Error(`no test-tool: ${tools}`);
    await pause(250);
  }
}

async function call() {
  if (manner === "patient") await list();
  console.log(await session.call("test-tool", {}, 25));
}

await session.open();
if (manner !== "patient") await session.result("tools/list");
await call();
// In the scenario whose server moves to another authorization server, later requests are refused.
if (scenario === "auth/authorization-server-migration") await call();
await session.close();
