// What hosts and systems do to the files of an extension when they unpack them. As root: files of several users.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOKEN, check, commandOf, reaches } from "./bundle_host.mjs";

// The person who uses the extension, and the one who has unpacked it.
const PERSON = 65534;
const OTHER = 65533;

// The shells that are the /bin/sh of some system.
const SHELLS = [["dash"], ["bash", "--posix"], ["busybox", "sh"], ["/bin/sh"]];

const files = (folder) => readdirSync(folder, { recursive: true }).map((name) => join(folder, name));

export async function checkFiles({ manifest, directory, answers, path }) {
  assert.equal(process.getuid(), 0, "this suite needs root");
  // In a folder that every user can reach.
  const scratch = mkdtempSync(join(tmpdir(), "bundle-files-"));
  chmodSync(scratch, 0o755);
  let nth = 0;

  /// The extension as it was unpacked with these modes by this user, started by the person.
  async function started({ fileMode, folderMode, owner = PERSON, wrap = (config) => config, env = {} }) {
    const place = join(scratch, String(++nth));
    const folder = join(place, `it's a "new" folder of $HOME`);
    const home = join(place, "home of a person");
    mkdirSync(folder, { recursive: true });
    mkdirSync(home);
    chownSync(home, PERSON, PERSON);
    cpSync(directory, folder, { recursive: true });
    for (const file of [folder, ...files(folder)]) {
      chownSync(file, owner, owner);
      chmodSync(file, statSync(file).isDirectory() ? folderMode : fileMode);
    }
    const config = wrap(await commandOf(manifest, folder, home, answers), folder, home);
    const environment = { HOME: home, PATH: process.env.PATH, USER: "interop", MCP_FERRY_STARTUP_WAIT: "30", ...env };
    const first = await reaches(config, { env: environment, uid: config.uid ?? PERSON, gid: config.uid ?? PERSON, cwd: "/" });
    assert.deepEqual(first, { path, method: "initialize", authorization: `Bearer ${TOKEN}` });
    const copies = spawnSync("ls", [join(home, ".mcp-ferry/bin")], { encoding: "utf8" }).stdout.trim().split("\n").filter(Boolean);
    return { config, environment, folder, home, copies };
  }

  await check("all files 0600", async () => {
    const { copies } = await started({ fileMode: 0o600, folderMode: 0o700 });
    assert.deepEqual(copies, [], "the program itself runs");
  });
  await check("all files 0400 in a read-only folder", async () => {
    await started({ fileMode: 0o400, folderMode: 0o555 });
  });
  await check("unpacked by another user, twice", async () => {
    const { config, environment, copies, home } = await started({ fileMode: 0o644, folderMode: 0o755, owner: OTHER });
    assert.equal(copies.length, 1);
    const copy = statSync(join(home, ".mcp-ferry/bin", copies[0]));
    assert.deepEqual([copy.mode & 0o777, copy.uid], [0o700, PERSON]);
    await reaches(config, { env: environment, uid: PERSON, gid: PERSON, cwd: "/" });
    assert.equal(statSync(join(home, ".mcp-ferry/bin", copies[0])).ino, copy.ino, "the copy is used again");
  });
  await check("on a read-only file system", async () => {
    const wrap = ({ command, args, env }, folder) => {
      // In a mount namespace of its own; then as the person.
      const script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"';
      return { command: "unshare", args: ["--mount", "bash", "-c", script, folder, String(PERSON), command, ...args], env, uid: 0 };
    };
    const { copies } = await started({ fileMode: 0o644, folderMode: 0o755, wrap });
    assert.equal(copies.length, 1);
  });
  for (const shell of SHELLS) {
    await check(`started by ${shell.join(" ")}`, async () => {
      const wrap = ({ args, ...config }) => ({ ...config, command: shell[0], args: [...shell.slice(1), ...args] });
      await started({ fileMode: 0o600, folderMode: 0o700, wrap });
    });
  }
  await check("the processor chooses the program", async () => {
    const { folder, environment } = await started({ fileMode: 0o600, folderMode: 0o700 });
    const fakes = join(scratch, "fakes");
    mkdirSync(fakes, { recursive: true });
    for (const processor of ["x86_64", "aarch64"]) {
      writeFileSync(join(folder, `server/mcp-ferry-linux-${processor}`), `#!/bin/sh\necho "${processor} $*"\n`);
      writeFileSync(join(fakes, "uname"), `#!/bin/sh\ncase $1 in -s) echo Linux ;; *) echo ${processor} ;; esac\n`, { mode: 0o755 });
      const env = { ...environment, PATH: `${fakes}:${process.env.PATH}` };
      const said = execFileSync("/bin/sh", [join(folder, "server/launch.sh"), "a b"], { env, encoding: "utf8" });
      assert.equal(said, `${processor} a b\n`);
    }
  });
  rmSync(scratch, { recursive: true, force: true });
}
