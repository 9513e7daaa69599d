// The tools, prompts and resources that the server scenarios of the official conformance suite require, in both eras. The names are the
// suite's.
//
// A tool or prompt that needs input gets a host: `ask` (input requests by key, a promise of the responses), `can` (client capabilities),
// `progress`, `log` and `changed`. It may run again from the start for each round, so it has no effect before it asks.

import { createHash } from "node:crypto";

const PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SOUND = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";

const text = (words) => ({ type: "text", text: words });
const image = { type: "image", data: PIXEL, mimeType: "image/png" };
const embedded = (uri, words, mimeType = "text/plain") => ({ type: "resource", resource: { uri, mimeType, text: words } });
const says = (...content) => ({ content: content.map((part) => (typeof part === "string" ? text(part) : part)) });
const object = (properties = {}, required = Object.keys(properties)) => ({ type: "object", properties, required });
const string = { type: "string" };

const form = (message, properties, required) => ({
  method: "elicitation/create",
  params: { mode: "form", message, requestedSchema: object(properties, required) },
});
const sample = (words) => ({ method: "sampling/createMessage", params: { messages: [{ role: "user", content: text(words) }], maxTokens: 100 } });
const roots = { method: "roots/list", params: {} };
const heard = ({ action, content = {} }) => `action=${action}, content=${JSON.stringify(content)}`;
const pause = () => new Promise((resolve) => setTimeout(resolve, 20));

// A tool that sends these input requests at once and returns the responses.
const asks = (questions) => async (host) => says(JSON.stringify(await host.ask(questions)));

const titled = [
  { const: "one", title: "The first" },
  { const: "two", title: "The second" },
];
const plain = ["one", "two", "three"];

export const tools = {
  test_simple_text: { run: () => says("a simple text") },
  test_image_content: { run: () => says(image) },
  test_audio_content: { run: () => says({ type: "audio", data: SOUND, mimeType: "audio/wav" }) },
  test_embedded_resource: { run: () => says(embedded("test://embedded-resource", "an embedded text")) },
  test_multiple_content_types: {
    run: () => says("several things", image, embedded("test://mixed-content-resource", '{"test":"data","value":123}', "application/json")),
  },
  test_error_handling: { run: () => ({ ...says("this tool always fails"), isError: true }) },
  test_tool_with_logging: {
    async run(host) {
      for (const step of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await host.log("info", step);
        await pause();
      }
      return says("three messages logged");
    },
  },
  test_tool_with_progress: {
    async run(host) {
      for (const step of [0, 50, 100]) {
        await host.progress(step, 100);
        await pause();
      }
      return says("done in three steps");
    },
  },
  test_sampling: {
    inputSchema: object({ prompt: string }),
    async run(host, { prompt }) {
      const { answer } = await host.ask({ answer: sample(prompt) });
      return says(`LLM response: ${answer.content.text}`);
    },
  },
  test_elicitation: {
    inputSchema: object({ message: string }),
    async run(host, { message }) {
      const { answer } = await host.ask({ answer: form(message, { response: { type: "string", description: "what you say" } }) });
      return says(`User response: ${heard(answer)}`);
    },
  },
  test_elicitation_sep1034_defaults: {
    async run(host) {
      const properties = {
        name: { type: "string", default: "John Doe" },
        age: { type: "integer", default: 30 },
        score: { type: "number", default: 95.5 },
        status: { type: "string", enum: ["active", "inactive", "pending"], default: "active" },
        verified: { type: "boolean", default: true },
      };
      const { answer } = await host.ask({ answer: form("are these right?", properties, []) });
      return says(`Elicitation completed: ${heard(answer)}`);
    },
  },
  test_elicitation_sep1330_enums: {
    async run(host) {
      const properties = {
        untitledSingle: { type: "string", enum: plain },
        titledSingle: { type: "string", oneOf: titled },
        legacyEnum: { type: "string", enum: plain, enumNames: ["One", "Two", "Three"] },
        untitledMulti: { type: "array", minItems: 1, maxItems: 3, items: { type: "string", enum: plain } },
        titledMulti: { type: "array", minItems: 1, maxItems: 2, items: { anyOf: titled } },
      };
      const { answer } = await host.ask({ answer: form("which of these?", properties, []) });
      return says(`Elicitation completed: ${heard(answer)}`);
    },
  },
  test_input_required_result_elicitation: { run: asks({ user_name: form("What is your name?", { name: string }) }) },
  test_input_required_result_sampling: { run: asks({ capital_question: sample("What is the capital of France?") }) },
  test_input_required_result_list_roots: { run: asks({ client_roots: roots }) },
  test_input_required_result_request_state: { run: asks({ confirm: form("Please confirm", { ok: { type: "boolean" } }) }) },
  test_input_required_result_tampered_state: { run: asks({ confirm: form("Please confirm", { ok: { type: "boolean" } }) }) },
  test_input_required_result_multiple_inputs: {
    run: asks({ user_name: form("What is your name?", { name: string }), greeting: sample("Generate a greeting"), client_roots: roots }),
  },
  test_input_required_result_multi_round: {
    async run(host) {
      const { step1 } = await host.ask({ step1: form("Step 1: What is your name?", { name: string }) });
      const { step2 } = await host.ask({ step2: form("Step 2: What is your favorite color?", { color: string }) });
      return says(`${step1.content.name} likes ${step2.content.color}`);
    },
  },
  test_input_required_result_capabilities: {
    run: (host) => {
      const questions = {};
      if (host.can("elicitation")) questions.name = form("What is your name?", { name: string });
      if (host.can("sampling")) questions.greeting = sample("Generate a greeting");
      return asks(questions)(host);
    },
  },
  test_missing_capability: { run: asks({ greeting: sample("Generate a greeting") }) },
  test_streaming_elicitation: {
    async run(host) {
      await host.progress(50, 100);
      return asks({ confirm: form("Go on?", { ok: { type: "boolean" } }) })(host);
    },
  },
  test_logging_tool: {
    async run(host) {
      await host.log("info", "a word for whoever listens");
      return says("logged");
    },
  },
  test_trigger_tool_change: { run: (host) => (host.changed("tools"), says("changed")) },
  test_trigger_prompt_change: { run: (host) => (host.changed("prompts"), says("changed")) },
  json_schema_2020_12_tool: {
    inputSchema: {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      $defs: { address: { $anchor: "addressDef", ...object({ street: string, city: string }, []) } },
      properties: {
        name: string,
        address: { $ref: "#/$defs/address" },
        contactMethod: { type: "string", enum: ["phone", "email"] },
        phone: string,
        email: string,
      },
      allOf: [{ anyOf: [{ required: ["phone"] }, { required: ["email"] }] }],
      if: { properties: { contactMethod: { const: "phone" } }, required: ["contactMethod"] },
      then: { required: ["phone"] },
      else: { required: ["email"] },
      additionalProperties: false,
    },
    run: (_, args) => says(JSON.stringify(args)),
  },
};

export const listedTools = Object.entries(tools).map(([name, { inputSchema = object() }]) => ({ name, description: `the suite's ${name}`, inputSchema }));

const user = (content) => ({ role: "user", content });

export const prompts = {
  test_simple_prompt: { run: () => [user(text("a simple prompt"))] },
  test_prompt_with_arguments: {
    arguments: ["arg1", "arg2"],
    run: (_, { arg1, arg2 }) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  },
  test_prompt_with_embedded_resource: {
    arguments: ["resourceUri"],
    run: (_, { resourceUri }) => [user(embedded(resourceUri, "an embedded text")), user(text("read that"))],
  },
  test_prompt_with_image: { run: () => [user(image), user(text("look at that"))] },
  test_input_required_result_prompt: {
    async run(host) {
      const { user_context } = await host.ask({ user_context: form("What context should the prompt use?", { context: string }) });
      return [user(text(user_context.content.context))];
    },
  },
};

export const listedPrompts = Object.entries(prompts).map(([name, { arguments: args = [] }]) => ({
  name,
  description: `the suite's ${name}`,
  arguments: args.map((arg) => ({ name: arg, description: "any text", required: true })),
}));

const SKILL = "skill://test-skill";
const frontmatter = { name: "test-skill", description: "A skill for the suite" };
const fixed = {
  "test://static-text": { mimeType: "text/plain", text: "a text that never changes" },
  "test://static-binary": { mimeType: "image/png", blob: PIXEL },
  "test://watched-resource": { mimeType: "text/plain", text: "a text that may change" },
  [`${SKILL}/SKILL.md`]: { mimeType: "text/markdown", text: `---\nname: ${frontmatter.name}\ndescription: ${frontmatter.description}\n---\n\nDo it.\n` },
  [`${SKILL}/references/how.md`]: { mimeType: "text/markdown", text: "Like this: Grüße.\n" },
};

const listed = (uri) => ({ uri, name: uri.split("://")[1], description: "the suite's", mimeType: fixed[uri].mimeType });
const files = Object.keys(fixed).filter((uri) => uri.startsWith(SKILL));
export const listedResources = Object.keys(fixed).map((uri) => ({ ...listed(uri), ...(uri.endsWith("/SKILL.md") && frontmatter) }));

// The methods of the skills extension; undefined for an unknown resource.
const manifest = files.map((uri) => ({
  uri,
  digest: `sha256:${createHash("sha256").update(fixed[uri].text).digest("hex")}`,
  size: Buffer.byteLength(fixed[uri].text),
}));
const skill = { uri: files[0], frontmatter, resources: manifest };
const kept = { ttlMs: 0, cacheScope: "private" };
const directories = {
  [SKILL]: [listed(files[0]), { uri: `${SKILL}/references`, name: "references", mimeType: "inode/directory" }],
  [`${SKILL}/references`]: [listed(files[1])],
};
export const extension = {
  "skills/list": () => ({ skills: [skill], ...kept }),
  "skills/get": ({ uri }) => uri === skill.uri && { skill, ...kept },
  "resources/directory/read": ({ uri }) => Object.hasOwn(directories, uri) && { resources: directories[uri], ...kept },
};

export const listedTemplates = [{ uriTemplate: "test://template/{id}/data", name: "template", description: "the suite's", mimeType: "application/json" }];

// Undefined if it does not exist.
export function resource(uri) {
  const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1];
  if (id) return { uri, mimeType: "application/json", text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) };
  return fixed[uri] && { uri, ...fixed[uri] };
}

export const completion = { completion: { values: ["test value"], total: 1, hasMore: false } };

export const capabilities = {
  tools: { listChanged: true },
  prompts: { listChanged: true },
  resources: { subscribe: true, listChanged: true },
  logging: {},
  completions: {},
  extensions: { "io.modelcontextprotocol/skills": { directoryRead: true } },
};
