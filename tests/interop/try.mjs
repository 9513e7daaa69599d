import { serve } from "./oidc_server.mjs";
import { Session } from "./stdio.mjs";
import { readFileSync } from "node:fs";
const world = await serve({ lifetime: 60 });
const s = new Session(process.argv[2], [world.url, "--log-level", "debug"], "/tmp/authtests/q", { label: "" });
try {
console.log(await s.open()); console.log(await s.ask("tools/list"));
console.log(await s.call("echo", { words: "ahoy" }, 20));
console.log(await s.call("write", { words: "ahoy" },20 ).catch(String));
} catch (e) { console.log(String(e)); }
try { console.log(world.counts, world.errors, readFileSync("/tmp/authtests/q/tabs","utf8")); } catch(e) {console.log(String(e))}
console.log(s.heard);
await s.kill(); world.close(); process.exit();
