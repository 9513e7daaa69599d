#!/usr/bin/env node
// The program for BROWSER: it records its URL in HOME/tabs and follows it, like a browser whose user is signed in everywhere and
// agrees to everything. Like a real opener it exits at once and leaves the tab to another process.

import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [url, marker] = process.argv.slice(2);
if (marker === "tab") {
  let next = url;
  const cookies = new Map();
  for (let hops = 0; next && hops < 20; hops += 1) {
    const response = await fetch(next, { redirect: "manual", headers: { cookie: [...cookies].map((pair) => pair.join("=")).join("; "), accept: "text/html" } });
    for (const cookie of response.headers.getSetCookie()) cookies.set(...cookie.split(";")[0].split(/=(.*)/s, 2));
    const place = response.headers.get("location");
    next = place && new URL(place, next).href;
  }
} else {
  appendFileSync(`${process.env.HOME}/tabs`, `${url}\n`);
  spawn(process.execPath, [fileURLToPath(import.meta.url), url, "tab"], { detached: true, stdio: "ignore" }).unref();
}
