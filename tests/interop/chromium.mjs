// A user logs in with headless Chromium, oidc-provider's own forms and mcp-ferry's final pages. Screenshots of the pages are kept for
// review.
//
//   node chromium.mjs FERRY HOME

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import puppeteer from "puppeteer-core";
import { serve } from "./oidc_server.mjs";
import { Session } from "./stdio.mjs";

const [ferry, scratch] = process.argv.slice(2);
const pictures = `${tmpdir()}/mcp-ferry-pages`;
mkdirSync(pictures, { recursive: true });

const chromium = await puppeteer.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
  userDataDir: `${scratch}/chromium`,
});

// The program for BROWSER only records the address; the user in Chromium opens it.
function machine(name) {
  const home = `${scratch}/${name}`;
  mkdirSync(home, { recursive: true });
  const browser = `${home}/browser`;
  writeFileSync(browser, `#!/bin/sh\nprintf '%s\\n' "$1" >> ${home}/tabs\n`, { mode: 0o755 });
  const tab = async () => {
    for (let tries = 0; !existsSync(`${home}/tabs`); tries += 1) {
      assert.ok(tries < 400, "no tab was opened within 20 s");
      await sleep(50);
    }
    return readFileSync(`${home}/tabs`, "utf8").trim();
  };
  return { home, browser, tab };
}

// One window of one user: fills in the forms and ends on the callback page of the login.
async function visit(url, { agree = true, dark = false } = {}) {
  const context = await chromium.createBrowserContext();
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }]);
  await page.goto(url);
  await page.type("input[name=login]", "ann");
  await page.type("input[name=password]", "any");
  await Promise.all([page.waitForNavigation(), page.click("button[type=submit]")]);
  complaints.length = 0;
  // The short address has led here by way of the authorization URL.
  const visited = requests.map((request) => new URL(request).searchParams);
  const back = visited.find((parameters) => parameters.has("redirect_uri")).get("redirect_uri");
  requests.length = 0;
  const answer = page.waitForResponse((response) => response.url().startsWith(back), { timeout: 20_000 });
  await page.click(agree ? "button[type=submit]" : 'a[href$="/abort"]');
  const response = await answer;
  await page.waitForFunction(() => document.readyState === "complete");
  const ours = requests.slice(requests.findIndex((request) => request.startsWith(back)) + 1);
  return {
    page,
    complaints: complaints.filter((complaint) => !/Failed to load resource/.test(complaint)),
    elsewhere: ours.filter((request) => !/^data:|\/favicon\.ico$/.test(request)),
    headers: response.headers(),
    status: response.status(),
    text: await page.evaluate(() => document.body.innerText),
    background: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
    close: () => context.close(),
  };
}

async function picture({ page }, name) {
  await page.setViewport({ width: 900, height: 600 });
  await page.screenshot({ path: `${pictures}/${name}.png` });
  console.error(`${pictures}/${name}.png`);
}

// Asserts that the page is mcp-ferry's own: its text, no console messages, no requests to other origins.
function isOurs(view, words) {
  assert.match(view.text, words);
  assert.deepEqual(view.complaints, [], "the console has no messages");
  assert.deepEqual(view.elsewhere, [], "the page loads nothing from other origins");
  assert.match(view.headers["content-security-policy"], /default-src 'none'/);
}

const login = (ferry, home, browser, ...args) => {
  const child = spawn(ferry, ["login", ...args], {
    env: { HOME: home, MCP_FERRY_HOME: home, PATH: process.env.PATH, BROWSER: browser },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.on("data", (bytes) => (said += bytes));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, said })));
};

const scenarios = {
  "a login by hand ends on our page": async (world) => {
    const { home, browser, tab } = machine("by-hand");
    const command = login(ferry, home, browser, world.url);
    const view = await visit(await tab());
    const ended = await command;
    assert.equal(ended.code, 0, ended.said);
    assert.equal(view.status, 200);
    isOurs(view, /signed in|logged in/i);
    await picture(view, "success-light");
    await view.close();
    const session = new Session(ferry, [world.url], home, { browser });
    await session.open();
    assert.equal(await session.call("echo", { words: "ahoy" }), "ahoy");
    await session.close();
    assert.equal(readFileSync(`${home}/tabs`, "utf8").trim().split("\n").length, 1);
  },

  "a call waits while a person logs in": async (world) => {
    const { home, browser, tab } = machine("bridge");
    const session = new Session(ferry, [world.url], home, { browser });
    await session.open();
    const answer = session.call("echo", { words: "ahoy" });
    const view = await visit(await tab(), { dark: true });
    assert.equal(await answer, "ahoy");
    isOurs(view, /signed in|logged in/i);
    const [red, green, blue] = view.background.match(/\d+/g).map(Number);
    assert.ok(red + green + blue < 300, `dark where dark is wanted: ${view.background}`);
    await picture(view, "success-dark");
    await view.close();
    await session.close();
  },

  "a user who does not agree sees what to do": async (world) => {
    const { home, browser, tab } = machine("refused");
    const command = login(ferry, home, browser, world.url);
    const view = await visit(await tab(), { agree: false });
    const ended = await command;
    assert.equal(ended.code, 1, ended.said);
    assert.ok(view.status >= 400, `${view.status}`);
    isOurs(view, /access_denied|not (signed|logged) in|denied|refused|cancel/i);
    await picture(view, "failure-light");
    await view.close();
  },
};

const world = await serve({ lifetime: 600, forms: true });
for (const [name, scenario] of Object.entries(scenarios)) {
  try {
    await scenario(world);
    console.log(`ok browser: ${name}`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED browser: ${name}: ${error.message.replace(/\s+/g, " ").slice(0, 400)}`);
    console.error(error.stack, world.errors.slice(-5));
  }
}
await chromium.close();
world.close();
process.exit();
