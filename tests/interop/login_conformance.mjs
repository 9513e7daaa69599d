// The program that the official conformance suite starts as "the client" in its scenarios about authorization: it has no support for
// logins and uses mcp-ferry, which logs in.
//
//   node login_conformance.mjs FERRY HOME REVISION URL     (the program's; the suite adds the URL, and in the environment the scenario
//                                                          and its own revision)

import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "./stdio.mjs";

const [ferry, home, revision, url] = process.argv.slice(2);
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
await session.open();
await session.result("tools/list");
console.log(await session.call("test-tool", {}, 25));
// In the scenario whose server moves to another authorization server, the second call is refused.
if (scenario === "auth/authorization-server-migration") console.log(await session.call("test-tool", {}, 25));
await session.close();
