// A program that supports MCP only over stdio and no logins: it starts mcp-ferry, writes lines and reads lines.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const BROWSER = fileURLToPath(new URL("browser.mjs", import.meta.url));
const MODERN = "2026-07-28";

export class Session {
  // `options`: revision, capabilities, answer (to server requests: a promise of a result for a method and params), environment
  // (added to), browser (a program, or "" for none), label (before each line of stderr).
  constructor(ferry, args, home, options = {}) {
    this.revision = options.revision ?? "2025-11-25";
    this.modern = this.revision >= MODERN;
    this.capabilities = options.capabilities ?? {};
    this.answer = options.answer;
    this.pending = new Map();
    this.heard = []; // notifications and requests, in order of arrival
    this.stderr = "";
    this.next = 1;
    const env = { HOME: home, MCP_FERRY_HOME: home, PATH: process.env.PATH, BROWSER: options.browser ?? BROWSER, ...options.environment };
    this.child = spawn(ferry, args, { env, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdin.on("error", () => {}); // a child that was killed is the test's own doing
    this.ended = new Promise((resolve) => this.child.on("close", (code, signal) => resolve({ code, signal })));
    this.ended.then(() => this.#fail(new Error("mcp-ferry has ended")));
    this.child.stderr.on("data", (bytes) => {
      this.stderr += bytes;
      if (options.label !== undefined) process.stderr.write(`${options.label}${bytes}`);
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => this.#receive(JSON.parse(line)));
  }

  #receive(message) {
    const waiting = "method" in message ? undefined : this.pending.get(message.id);
    if (!waiting) {
      this.heard.push(message);
      if ("id" in message && this.answer) this.#reply(message);
      return;
    }
    this.pending.delete(message.id);
    clearTimeout(waiting.timer);
    waiting.resolve(message);
  }

  async #reply({ id, method, params }) {
    this.write({ id, result: await this.answer(method, params) });
  }

  #fail(error) {
    for (const { reject, timer } of this.pending.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.pending.clear();
  }

  write(message) {
    this.child.stdin.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  // The whole response, a result or an error.
  ask(method, params = {}, seconds = 60) {
    const id = this.next++;
    if (this.modern) {
      const _meta = {
        "io.modelcontextprotocol/protocolVersion": this.revision,
        "io.modelcontextprotocol/clientInfo": { name: "interop", version: "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": this.capabilities,
      };
      params = { ...params, _meta };
    }
    const answer = new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new Error(`no answer to ${method} within ${seconds} s`));
      }, seconds * 1000);
      this.pending.set(id, { resolve, reject, timer });
    });
    this.write({ id, method, params });
    return answer;
  }

  // The final result, after one round for each time that the server requires input.
  async result(method, params, seconds) {
    const { result, error } = await this.ask(method, params, seconds);
    if (error) throw new Error(`${method}: ${error.code} ${error.message}`);
    if (result.resultType !== "input_required") return result;
    const questions = Object.entries(result.inputRequests ?? {});
    const answers = questions.map(async ([key, question]) => [key, await this.answer(question.method, question.params)]);
    const next = { ...params, inputResponses: Object.fromEntries(await Promise.all(answers)) };
    if ("requestState" in result) next.requestState = result.requestState;
    return this.result(method, next, seconds);
  }

  // The text of a tool result; throws the text of an error.
  async call(name, args = {}, seconds) {
    const { content, isError } = await this.result("tools/call", { name, arguments: args }, seconds);
    const text = content.map((part) => part.text).join("\n");
    if (isError) throw new Error(`${name}: ${text}`);
    return text;
  }

  async tools() {
    const { tools } = await this.result("tools/list");
    return tools.map(({ name }) => name);
  }

  async open() {
    if (this.modern) return undefined;
    const clientInfo = { name: "interop", version: "1.0.0" };
    const result = await this.result("initialize", { protocolVersion: this.revision, capabilities: this.capabilities, clientInfo });
    this.write({ method: "notifications/initialized" });
    return result;
  }

  close() {
    this.child.stdin.end();
    return this.ended;
  }

  kill() {
    this.child.kill("SIGKILL");
    return this.ended;
  }
}
