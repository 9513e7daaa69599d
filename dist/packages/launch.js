#!/usr/bin/env node
// How does `npx mcp-ferry` become the program of this machine?
//
// Written for every Node since 14.
'use strict';

const { spawn } = require('child_process');
const fs = require('fs');
const { constants } = require('os');

// The program of each system and processor, as a file of a package. `dist/packages/make` fills it in.
const PROGRAMS = require('./programs.json');
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];

function find() {
  const machine = `${process.platform}-${process.arch}`;
  const place = PROGRAMS[machine];
  if (!place) {
    return fail(`there is no program for ${machine}`, `it is there for ${Object.keys(PROGRAMS).join(', ')}`);
  }
  try {
    return require.resolve(place);
  } catch (_) {
    const name = place.split('/bin/')[0];
    return fail(`the package ${name} is not installed`, 'npm leaves it out where optional dependencies are turned off, or where node_modules comes from another machine; install again here, with --include=optional');
  }
}

function fail(what, hint) {
  process.stderr.write(`mcp-ferry: ${what}\nhint: ${hint}\n`);
  process.exit(1);
}

const program = find();
const words = process.argv.slice(2);

if (process.platform !== 'win32') {
  try {
    fs.accessSync(program, fs.constants.X_OK);
  } catch (error) {
    fail(`the program cannot be started: ${error.message}`, `chmod +x '${program}', if its file system allows programs; or install again`);
  }
  // Node's own process is gone after this: the client talks to the program alone, and its memory is free.
  if (typeof process.execve === 'function') {
    process.execve(program, [program, ...words], process.env);
  }
}

const child = spawn(program, words, { stdio: 'inherit' });
for (const signal of FORWARDED) {
  // On a terminal the program gets them too; the second one changes nothing. On Windows it would end the program at once.
  process.on(signal, () => process.platform === 'win32' || child.kill(signal));
}
child.on('error', (error) => fail(`the program cannot be started: ${error.message}`, `try it yourself: ${program}; or install again`));
child.on('exit', (code, signal) => {
  if (signal === null) {
    process.exit(code);
  }
  // The end that the client sees is the program's: by the same signal.
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
});
