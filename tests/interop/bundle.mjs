// The extensions that `mcp-ferry bundle` makes: the format's own tool and strict readers take them, and they start as a
// host starts them. What hosts do to the files: bundle_files.mjs. Under wine: bundle_wine.mjs.
//
//   node bundle.mjs FERRY HOME

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import yauzl from "yauzl";
import { checkFiles } from "./bundle_files.mjs";
import { TOKEN, check, commandOf, failures, origin, reaches, stop } from "./bundle_host.mjs";

const [ferry, home] = process.argv.slice(2);
const here = fileURLToPath(new URL(".", import.meta.url));
const run = (program, ...args) => execFileSync(program, args, { encoding: "utf8", env: { ...process.env, MCP_FERRY: ferry, MCP_FERRY_HOME: home } });
const mcpb = (...args) => run(process.execPath, `${here}/node_modules/@anthropic-ai/mcpb/dist/cli/cli.js`, ...args);

// The manifest keys that every host supports; one host refuses bundles with other keys.
const KNOWN = new Set(
  ("manifest_version name display_name version description long_description author repository homepage documentation support " +
    "icon screenshots server tools tools_generated prompts prompts_generated keywords license privacy_policies compatibility user_config").split(" "),
);

// A program for another processor, as far as the bundle looks at it.
const other = join(home, "other-processor");
const head = Buffer.from(readFileSync(ferry).subarray(0, 4096));
head.writeUInt16LE(head.readUInt16LE(18) === 0xb7 ? 0x3e : 0xb7, 18);
writeFileSync(other, head);
const programs = ["--program", ferry, "--program", other];

const asking = ["--token", "--ask", "read-only,ca-cert,scope,request-timeout", "--header", "X-Team: {team}", "--optional", "team"];
const pair = ["--name", "acme-mcp", "--display-name", "Acme", "--url", `${origin}/{account}/mcp`, "--variant", `staging=${origin}/staging/{account}/mcp`, ...asking];
const MADE = {
  general: { make: [ferry, "bundle"], answers: { url: `${origin}/mcp`, token: TOKEN }, paths: ["/mcp"] },
  "one server": { make: [ferry, "bundle", ...pair], answers: { account: "north", token: TOKEN }, paths: ["/north/mcp", "/staging/north/mcp"] },
  "example any-server": { make: [`${here}/../../examples/bundle/any-server.sh`], answers: { url: `${origin}/mcp` }, paths: ["/mcp"] },
  "example one-server": { make: [`${here}/../../examples/bundle/one-server.sh`], paths: [undefined, undefined] },
};

// A parser as strict as the one in Claude Desktop.
const entriesOf = (file) =>
  new Promise((resolve, reject) => {
    yauzl.open(file, { lazyEntries: false, strictFileNames: true, validateEntrySizes: true }, (error, zip) => {
      if (error) return reject(error);
      const entries = [];
      zip.on("entry", (entry) => entries.push(entry)).on("error", reject).on("end", () => resolve(entries));
    });
  });

const sumsOf = (folder) => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
  return paths.map((path) => [path.slice(folder.length), createHash("sha256").update(readFileSync(path)).digest("hex")]);
};

const environment = { HOME: home, PATH: process.env.PATH, USER: "interop", MCP_FERRY_HOME: home };
const identities = [];
let unpacked;
for (const [name, { make, answers, paths }] of Object.entries(MADE)) {
  const folder = join(home, name.replaceAll(" ", "-"));
  const made = (output) => JSON.parse(run(make[0], ...make.slice(1), ...programs, "--json", "--output", output));
  let bundles = [];
  await check(`${name}: the same file twice`, () => {
    bundles = made(folder);
    assert.equal(bundles.length, paths.length);
    const sums = made(`${folder}-again`).map(({ sha256 }) => sha256);
    assert.deepEqual(bundles.map(({ file }) => createHash("sha256").update(readFileSync(file)).digest("hex")), sums);
  });
  for (const [nth, { file, name: id }] of bundles.entries()) {
    const directory = file.replace(".mcpb", "");
    const which = bundles.length > 1 ? `${name}, ${id}` : name;
    let manifest;
    await check(`${which}: unpacks with mcpb, which validates it and packs the same files`, () => {
      mcpb("unpack", file, directory);
      manifest = JSON.parse(readFileSync(join(directory, "manifest.json"), "utf8"));
      identities.push([manifest.name, manifest.display_name, name]);
      assert.match(mcpb("validate", join(directory, "manifest.json")), /validation passes/);
      assert.match(mcpb("info", file), /Size: /);
      mcpb("pack", directory, `${directory}-packed.mcpb`);
      mcpb("unpack", `${directory}-packed.mcpb`, `${directory}-packed`);
      assert.deepEqual(sumsOf(`${directory}-packed`), sumsOf(directory));
    });
    await check(`${which}: strict readers take it, its programs are executable`, async () => {
      const entries = await entriesOf(file);
      const modes = entries.map(({ fileName, externalFileAttributes }) => [fileName.startsWith("server/"), (externalFileAttributes >>> 16) & 0o777]);
      for (const [isProgram, mode] of modes) assert.equal(mode, isProgram ? 0o755 : 0o644);
      assert.match(run("unzip", "-t", file), /No errors detected/);
      run("python3", "-c", "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); sys.exit(z.testzip() or z.comment or 0)", file);
    });
    await check(`${which}: only keys that every host knows, and each field is required or has a default`, () => {
      assert.deepEqual(Object.keys(manifest).filter((key) => !KNOWN.has(key)), []);
      assert.equal(manifest.user_config.token.sensitive, true);
      for (const field of Object.values(manifest.user_config)) assert.equal("default" in field, !field.required);
    });
    if (!answers) continue;
    const path = paths[nth];
    const start = async (answers, of = manifest) => reaches(await commandOf(of, directory, home, answers), { env: environment });
    const authorization = answers.token && `Bearer ${TOKEN}`;
    await check(`${which}: started by its host, the token arrives`, async () => {
      assert.deepEqual(await start(answers), { path, method: "initialize", authorization });
    });
    await check(`${which}: fields that are left empty are not set`, async () => {
      const { token, ...rest } = answers;
      const empty = Object.fromEntries(Object.entries(manifest.user_config).filter(([, field]) => !field.required).map(([name, { type }]) => [name, type === "boolean" ? false : ""]));
      if (manifest.user_config.token.required) {
        await assert.rejects(start(rest), /would not start/);
        assert.deepEqual(await start({ ...empty, ...answers }), { path, method: "initialize", authorization });
      } else {
        assert.deepEqual(await start({ ...empty, ...rest }), { path, method: "initialize", authorization: undefined });
      }
    });
    await check(`${which}: also where the host knows no defaults`, async () => {
      const fields = Object.entries(manifest.user_config).map(([name, { default: _, ...field }]) => [name, field]);
      const of = { ...manifest, user_config: Object.fromEntries(fields) };
      assert.deepEqual(await start(answers, of), { path, method: "initialize", authorization });
    });
    if (manifest.user_config.team) {
      await check(`${which}: fields that are filled in are set`, async () => {
        assert.equal((await start({ ...answers, team: "blue", read_only: true })).team, "blue");
      });
      unpacked ??= { manifest, directory, answers, path };
    }
  }
}
await check("bundles live side by side", () => {
  const own = identities.filter(([, , name]) => !name.startsWith("example"));
  for (const part of [0, 1]) assert.equal(new Set(own.map((identity) => identity[part])).size, 3);
});
if (unpacked) await checkFiles(unpacked);

stop();
process.exit(failures() ? 1 : 0);
