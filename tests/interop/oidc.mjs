// Five bridges on one machine share one login, with a real authorization server, a real MCP server, and faults.
//
//   node oidc.mjs FERRY HOME     LIBFAKETIME in the environment names that library, for the clock that jumps;
//                                RELEASE_DOCUMENT is the address of the document that FERRY was built with

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { serve } from "./oidc_server.mjs";
import { Session } from "./stdio.mjs";

const [ferry, scratch] = process.argv.slice(2);
const BROWSER = fileURLToPath(new URL("browser.mjs", import.meta.url));
const FIVE = [0, 1, 2, 3, 4];

// One machine: a home directory, the tabs of its browser, the running programs.
class Machine {
  constructor(name, world) {
    this.world = world;
    this.home = `${scratch}/${name.replace(/\W+/g, "-")}`;
    this.sessions = [];
    mkdirSync(this.home, { recursive: true });
  }

  start(options = {}) {
    const session = new Session(ferry, [...(options.args ?? []), this.world.url], this.home, options);
    this.sessions.push(session);
    return session;
  }

  async five(options) {
    await Promise.all(FIVE.map(() => this.start(options).open()));
  }

  // Every program calls at once; each must get its own result.
  async call(name = "echo", sessions = this.sessions) {
    const said = await Promise.all(sessions.map((session, place) => session.call(name, { words: `ahoy ${place}` })));
    assert.deepEqual(said, sessions.map((_, place) => (name === "write" ? `written: ahoy ${place}` : `ahoy ${place}`)));
  }

  get tabs() {
    return existsSync(`${this.home}/tabs`) ? readFileSync(`${this.home}/tabs`, "utf8").trim().split("\n") : [];
  }

  // Counts since the start or since the last call.
  since(before = { registrations: 0, logins: 0, refreshes: 0, reuses: 0, tabs: 0 }) {
    const now = { ...this.world.counts, tabs: this.tabs.length };
    return Object.fromEntries(Object.keys(before).map((name) => [name, now[name] - before[name]]));
  }

  look() {
    const { registrations, logins, refreshes, reuses } = this.world.counts;
    return { registrations, logins, refreshes, reuses, tabs: this.tabs.length };
  }
}

const NOTHING = { registrations: 0, logins: 0, refreshes: 0, reuses: 0, tabs: 0 };
const ONE_LOGIN = { ...NOTHING, registrations: 1, logins: 1, tabs: 1 };
// Native clients may use any port of the loopback address (RFC 8252).
const GIVEN = {
  client_id: "given",
  application_type: "native",
  token_endpoint_auth_method: "none",
  redirect_uris: ["http://127.0.0.1/oauth/callback"],
  response_types: ["code"],
  grant_types: ["authorization_code", "refresh_token"],
};
// What a release publishes, at an address of its own.
const BASE = "https://client.example/ferry";
const DOCUMENT = `${BASE}/client-metadata.json`;
const TEMPLATE = readFileSync(new URL("../../dist/client-metadata.json", import.meta.url), "utf8");
const PUBLISHED = { [DOCUMENT]: JSON.parse(TEMPLATE.replaceAll("@BASE@", BASE)) };
const BY_DOCUMENT = ["--client-metadata-url", DOCUMENT];
const ONE_REFRESH = { ...NOTHING, refreshes: 1 };

// The next faults at the token endpoint.
const fail = (world, ...faults) => (world.token = async () => faults.shift());
const until = async (is, what) => {
  for (let tries = 0; !(await is()); tries += 1) {
    assert.ok(tries < 600, `waited 30 s for ${what}`);
    await sleep(50);
  }
};

const scenarios = {
  "five at once: one tab, one registration; a step-up: one more tab": [{ lifetime: 60 }, async (machine) => {
    await machine.five({ args: ["--header", "x-own: of the user"] });
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
    const before = machine.look();
    await machine.call("write");
    assert.deepEqual(machine.since(before), { ...NOTHING, logins: 1, tabs: 1 });
    await machine.call();
    assert.deepEqual(machine.world.authorizationHeaders, [], "the user's headers are for the MCP server");
  }],

  "a token refused before its time in all five: one refresh": [{ lifetime: 60 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    machine.world.refuse();
    await machine.call();
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }],

  "under load with tokens of 5 s and a slow token endpoint: one refresh for each": [{ lifetime: 5 }, async (machine) => {
    machine.world.token = () => sleep(400);
    await machine.five();
    await machine.call();
    const [before, started] = [machine.look(), Date.now()];
    let calls = 0;
    await Promise.all(
      machine.sessions.flatMap((session, place) => [0, 1].map(async (lane) => {
        while (Date.now() < started + 14_000) {
          const words = `${place}.${lane}.${(calls += 1)}`;
          assert.equal(await session.call(calls % 5 ? "echo" : "slow", { words }), words);
          await sleep(20);
        }
      })),
    );
    const { refreshes, ...others } = machine.since(before);
    assert.deepEqual(others, { registrations: 0, logins: 0, reuses: 0, tabs: 0 });
    assert.ok(refreshes >= 2 && refreshes <= 4, `${refreshes} refreshes for tokens of 5 s in 14 s`);
    assert.ok(calls > 500, `only ${calls} calls`);
  }],

  "asleep until everything has expired: one refresh": [{ lifetime: 4 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    await sleep(5000);
    await machine.call();
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }],

  "one 500 at the token endpoint": [{ lifetime: 4 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    await sleep(4500);
    fail(machine.world, 500);
    await machine.call();
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }],

  "the answer of a refresh is lost, and the server forgives": [{ lifetime: 6, grace: 5 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    await sleep(6500);
    fail(machine.world, "lose");
    await machine.call();
    assert.deepEqual(machine.since(before), { ...ONE_REFRESH, refreshes: 2 });
  }],

  "the answer of a refresh is lost, and the server does not forgive: one new login": [{ lifetime: 6 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    await sleep(6500);
    fail(machine.world, "lose");
    await machine.call();
    const { logins, tabs, registrations } = machine.since(before);
    assert.deepEqual({ logins, tabs, registrations }, { logins: 1, tabs: 1, registrations: 0 });
  }],

  "killed in mid-login: another finishes the same tab": [{ lifetime: 60 }, async (machine) => {
    const options = { browser: noting(machine) };
    const owner = machine.start(options);
    await owner.open();
    owner.call("echo", { words: "never" }).catch(() => {});
    await until(() => machine.tabs.length > 0, "the tab");
    const others = FIVE.slice(1).map(() => machine.start(options));
    await Promise.all(others.map((session) => session.open()));
    const answered = machine.call("echo", others);
    answered.catch(() => {}); // it is awaited below, after what may fail first
    await sleep(500);
    await owner.kill();
    await sleep(500);
    mkdirSync(`${machine.home}/elsewhere`);
    execFileSync(BROWSER, [machine.tabs[0]], { env: { ...process.env, HOME: `${machine.home}/elsewhere` } });
    await answered;
    assert.deepEqual(machine.since(), ONE_LOGIN);
  }],

  "killed in mid-refresh, before the server took it": [{ lifetime: 4 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    await sleep(4500);
    let asked = 0;
    machine.world.token = async () => (asked += 1) === 1 && sleep(1500);
    const [owner, ...others] = machine.sessions;
    owner.call("echo", { words: "never" }).catch(() => {});
    await until(() => asked > 0, "the refresh");
    await owner.kill();
    await machine.call("echo", others);
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }],

  "killed in mid-refresh, after the server took it": [{ lifetime: 4, grace: 10 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    await sleep(4500);
    fail(machine.world, "lose");
    const [owner, ...others] = machine.sessions;
    owner.call("echo", { words: "never" }).catch(() => {});
    await until(() => machine.world.counts.refreshes > before.refreshes, "the refresh");
    await owner.kill();
    await machine.call("echo", others);
    const { logins, tabs, reuses } = machine.since(before);
    assert.deepEqual({ logins, tabs, reuses }, { logins: 0, tabs: 0, reuses: 0 });
  }],

  "the server forgets everything it knew: one registration, one tab": [{ lifetime: 60 }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    machine.world.forget();
    await machine.call();
    const { logins, tabs, registrations } = machine.since(before);
    assert.deepEqual({ logins, tabs, registrations }, { logins: 1, tabs: 1, registrations: 1 });
  }],

  "five at once, where authorization requests must be pushed": [{ lifetime: 60, pushed: true }, async (machine) => {
    await machine.five();
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
    assert.ok(!machine.tabs[0].includes("code_challenge"), machine.tabs[0]);
    const before = machine.look();
    await machine.call("write");
    assert.deepEqual(machine.since(before), { ...NOTHING, logins: 1, tabs: 1 });
  }],

  "a pushed request of a client that the server forgot: one registration, one tab": [{ lifetime: 60, pushed: true }, async (machine) => {
    await machine.five();
    await machine.call();
    const before = machine.look();
    machine.world.forget();
    await machine.call();
    const { logins, tabs, registrations } = machine.since(before);
    assert.deepEqual({ logins, tabs, registrations }, { logins: 1, tabs: 1, registrations: 1 });
  }],

  "a pushed request is opened after its name has expired": [{ lifetime: 60, pushed: 18 }, async (machine) => {
    const browser = noting(machine);
    const session = machine.start({ browser });
    await session.open();
    const called = session.call("echo", { words: "late" });
    await until(() => machine.tabs.length > 0, "the tab");
    await sleep(24_000);
    const environment = { ...process.env, HOME: machine.home, MCP_FERRY_HOME: machine.home, BROWSER: browser };
    // Not synchronously: the servers are in this process.
    const { stdout } = await promisify(execFile)(ferry, ["login", "--no-wait", machine.world.url], { env: environment });
    const elsewhere = { ...process.env, HOME: `${machine.home}/elsewhere` };
    mkdirSync(elsewhere.HOME);
    execFileSync(BROWSER, [stdout.match(/http\S+/)[0]], { env: elsewhere });
    assert.equal(await called, "late");
  }],

  "only redirect URIs with 127.0.0.1: one registration, also for the second login": [{ lifetime: 60, loopback: "127.0.0.1" }, async (machine) => {
    await machine.five({ args: ["--host", "localhost"] });
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
    const before = machine.look();
    await machine.call("write");
    assert.deepEqual(machine.since(before), { ...NOTHING, logins: 1, tabs: 1 });
  }],

  "a client may request only its registered scope: one registration, two tabs": [{ lifetime: 60, scopes: ["mcp:read", "mcp:write"] }, async (machine) => {
    await machine.five();
    await machine.call();
    await machine.call("write");
    assert.deepEqual(machine.since(), { ...ONE_LOGIN, logins: 2, tabs: 2 });
  }],

  "tokens as a form: one login, one refresh": [{ lifetime: 4, asForm: true }, async (machine) => {
    await machine.five();
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
    const before = machine.look();
    await sleep(4500);
    await machine.call();
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }],

  "a client ID metadata document: no registration, one tab; a step-up: one more tab": [{ lifetime: 60, documents: PUBLISHED }, async (machine) => {
    await machine.five({ args: BY_DOCUMENT });
    await machine.call();
    assert.deepEqual(machine.since(), { ...ONE_LOGIN, registrations: 0 });
    assert.deepEqual([...machine.world.clients], [DOCUMENT]);
    const before = machine.look();
    await machine.call("write");
    assert.deepEqual(machine.since(before), { ...NOTHING, logins: 1, tabs: 1 });
  }],

  "a token of a client ID metadata document is refused: one refresh": [{ lifetime: 60, documents: PUBLISHED }, async (machine) => {
    await machine.five({ args: [...BY_DOCUMENT, "--host", "127.0.0.1"] });
    await machine.call();
    const before = machine.look();
    machine.world.refuse();
    await machine.call();
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }],

  "a client ID metadata document that cannot be fetched: one registration, one tab": [{ lifetime: 60, documents: {} }, async (machine) => {
    await machine.five({ args: BY_DOCUMENT });
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
  }],

  "a client ID metadata document without our path: one registration, one tab": [{ lifetime: 60, documents: PUBLISHED }, async (machine) => {
    await machine.five({ args: [...BY_DOCUMENT, "--callback-path", "/elsewhere"] });
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
  }],

  "no document where documents are taken: one registration, one tab": [{ lifetime: 60, documents: PUBLISHED }, async (machine) => {
    await machine.five({ args: ["--client-metadata-url", "off"] });
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
  }],

  "a server of 2025-03-26 without metadata: one registration, one tab": [{ lifetime: 60, bare: true }, async (machine) => {
    await machine.five({ args: ["--scope", "mcp:read"] });
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
  }],

  "the same with a given client": [{ lifetime: 60, bare: true, client: GIVEN }, async (machine) => {
    await machine.five({ args: ["--client-id", GIVEN.client_id, "--host", "127.0.0.1", "--scope", "mcp:read"] });
    await machine.call();
    assert.deepEqual(machine.since(), { ...ONE_LOGIN, registrations: 0 });
  }],

  "a new start of all five: no tab, nothing asked": [{ lifetime: 60 }, async (machine) => {
    await machine.five();
    await machine.call();
    await Promise.all(machine.sessions.splice(0).map((session) => session.close()));
    const before = machine.look();
    await machine.five();
    await machine.call();
    assert.deepEqual(machine.since(before), NOTHING);
  }],
};

if (process.env.LIBFAKETIME) {
  scenarios["a clock that jumps forward and back: at most a needless refresh"] = [{ lifetime: 600 }, async (machine) => {
    const clock = `${machine.home}/clock`;
    const jump = (by) => writeFileSync(clock, `${by}\n`);
    jump("+0");
    const environment = {
      LD_PRELOAD: process.env.LIBFAKETIME,
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      BROWSER,
    };
    await machine.five({ environment });
    await machine.call();
    for (const by of ["+3h", "+0", "-2d", "+30d"]) {
      const before = machine.look();
      jump(by);
      await machine.call();
      const { refreshes, ...others } = machine.since(before);
      assert.deepEqual(others, { registrations: 0, logins: 0, reuses: 0, tabs: 0 }, by);
      assert.ok(refreshes <= 1, `${refreshes} refreshes after ${by}`);
    }
  }];
}

const { RELEASE_DOCUMENT } = process.env;
if (RELEASE_DOCUMENT) {
  const documents = { [RELEASE_DOCUMENT]: { ...PUBLISHED[DOCUMENT], client_id: RELEASE_DOCUMENT } };
  scenarios["a release, without options: no registration, one tab"] = [{ lifetime: 60, documents }, async (machine) => {
    await machine.five();
    await machine.call();
    assert.deepEqual(machine.since(), { ...ONE_LOGIN, registrations: 0 });
    assert.deepEqual([...machine.world.clients], [RELEASE_DOCUMENT]);
  }];
  scenarios["a release whose document is not published yet: one registration, one tab"] = [{ lifetime: 60, documents: {} }, async (machine) => {
    await machine.five();
    await machine.call();
    assert.deepEqual(machine.since(), ONE_LOGIN);
  }];
  scenarios["a login from before the release's document stays in use"] = [{ lifetime: 60, documents }, async (machine) => {
    await machine.five({ args: ["--client-metadata-url", "off"] });
    await machine.call();
    await Promise.all(machine.sessions.splice(0).map((session) => session.close()));
    const before = machine.look();
    await machine.five();
    await machine.call();
    machine.world.refuse();
    await machine.call();
    assert.deepEqual(machine.since(before), ONE_REFRESH);
  }];
}

// A browser that does not follow the login.
function noting(machine) {
  const program = `${machine.home}/noting`;
  writeFileSync(program, `#!/bin/sh\nprintf '%s\\n' "$1" >> ${machine.home}/tabs\n`, { mode: 0o755 });
  return program;
}

async function attempt(name) {
  const [options, scenario] = scenarios[name];
  const world = await serve(options);
  const machine = new Machine(name, world);
  try {
    await scenario(machine);
    console.log(`ok oidc: ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED oidc: ${name}: ${error.message.replace(/\s+/g, " ").slice(0, 400)}`);
    console.error(`${name}\n`, world.counts, world.errors.slice(-5), machine.tabs.length, "tabs");
    for (const { stderr } of machine.sessions) console.error(stderr.slice(-1500));
  }
  await Promise.all(machine.sessions.map((session) => session.kill()));
  world.close();
}

// Most cases wait for time to pass; the case under load runs alone.
const names = Object.keys(scenarios).filter((name) => name.includes(process.env.ONLY ?? ""));
const waiting = names.filter((name) => !name.startsWith("under load"));
for (const name of names.filter((name) => !waiting.includes(name))) await attempt(name);
await Promise.all([0, 1, 2].map(async () => {
  while (waiting.length) await attempt(waiting.shift());
}));
process.exit();
