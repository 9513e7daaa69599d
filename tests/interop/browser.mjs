#!/usr/bin/env node
// What BROWSER names: takes the one URL it is given, notes it in HOME/tabs, and follows it, as a browser whose person is signed
// in everywhere and agrees to everything. Like a real opener it ends at once and leaves the tab to a process of its own.

import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [url, marker] = process.argv.slice(2);
if (marker === "tab") {
  let next = url;
  let cookies = "";
  for (let hops = 0; next && hops < 20; hops += 1) {
    const response = await fetch(next, { redirect: "manual", headers: { cookie: cookies, accept: "text/html" } });
    cookies = [cookies, ...response.headers.getSetCookie().map((cookie) => cookie.split(";")[0])].filter(Boolean).join("; ");
    const place = response.headers.get("location");
    next = place && new URL(place, next).href;
  }
} else {
  appendFileSync(`${process.env.HOME}/tabs`, `${url}\n`);
  spawn(process.execPath, [fileURLToPath(import.meta.url), url, "tab"], { detached: true, stdio: "ignore" }).unref();
}
