// The behavior of the two TypeScript servers in both eras: the tools, prompts and resources of content.json.
//
// `peer` is the client as a tool sees it: `ask` (several input requests at once, by name), `progress`, `log`,
// `signal`, `change`.

import content from "./content.json" with { type: "json" };

export { content };
export const LEVELS = ["debug", "info", "warning", "error"];

const say = (text) => ({ content: [{ type: "text", text }] });
const form = (message) => ({
  method: "elicitation/create",
  params: { mode: "form", message, requestedSchema: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } },
});
const sampling = (text) => ({
  method: "sampling/createMessage",
  params: { messages: [{ role: "user", content: { type: "text", text } }], maxTokens: 9 },
});
const ROOTS = { method: "roots/list", params: {} };

const told = ({ action, content }) => (content ? `${action} ${content.name}` : action);
const addresses = ({ roots }) => roots.map(({ uri }) => uri).join(" ");

const cancelled = new Set();

export const tools = {
  echo: ({ text }) => say(text),
  structured: ({ count }) => {
    const structuredContent = { numbers: Array.from({ length: count }, (_, n) => n) };
    return { ...say(JSON.stringify(structuredContent)), structuredContent };
  },
  mirrored: ({ region, n }) => say(`${region} ${n}`),
  fails: () => ({ ...say("this tool always fails"), isError: true }),
  ask: async ({ message }, peer) => say(told((await peer.ask({ who: form(message) })).who)),
  visit: async ({ url }, peer) => {
    const params = { mode: "url", message: "log in", url, elicitationId: "page" };
    return say(told((await peer.ask({ page: { method: "elicitation/create", params } })).page));
  },
  sample: async ({ prompt }, peer) => say((await peer.ask({ said: sampling(prompt) })).said.content.text),
  roots: async (_, peer) => say(addresses((await peer.ask({ where: ROOTS })).where)),
  at_once: async (_, peer) => {
    const { who, said, where } = await peer.ask({ who: form("Who?"), said: sampling("hello"), where: ROOTS });
    return say([told(who), said.content.text, addresses(where)].join(" | "));
  },
  rounds: async ({ count }, peer) => {
    const answers = [];
    for (let round = 1; round <= count; round++) {
      const name = `round ${round}`;
      answers.push(told((await peer.ask({ [name]: form(`Question ${round}`) }))[name]));
    }
    return say(answers.join(", "));
  },
  progress: async ({ steps }, peer) => {
    for (let step = 1; step <= steps; step++) await peer.progress({ progress: step, total: steps, message: `step ${step}` });
    return say("done");
  },
  log: async (_, peer) => {
    for (const level of LEVELS) await peer.log(level, `a word at ${level}`);
    return say("logged");
  },
  wait: async ({ key }, peer) => {
    await peer.progress({ progress: 1, message: "started" });
    await new Promise((resolve) => peer.signal.addEventListener("abort", resolve));
    cancelled.add(key);
    throw new Error("cancelled");
  },
  cancelled: async ({ key }) => {
    for (let tries = 0; tries < 100 && !cancelled.has(key); tries++) await new Promise((resolve) => setTimeout(resolve, 50));
    return say(String(cancelled.has(key)));
  },
  change: async ({ uri }, peer) => {
    await peer.change(uri);
    return say("changed");
  },
};

export function page(member, cursor) {
  const from = Number(cursor ?? 0);
  const items = content[member].slice(from, from + content.page);
  const next = from + content.page;
  return { [member]: items, ...(next < content[member].length ? { nextCursor: String(next) } : {}) };
}

// The content of a resource; undefined if it does not exist.
export function read(uri) {
  const name = /^note:\/\/([^/]+)$/.exec(uri)?.[1];
  if (!name) return undefined;
  const what = name === "bytes" ? { mimeType: "application/octet-stream", blob: content.bytes } : { mimeType: "text/plain", text: `note ${name}` };
  return { contents: [{ uri, ...what }] };
}

export const greet = (name) => ({ messages: [{ role: "user", content: { type: "text", text: `Greet ${name}.` } }] });

export function complete({ ref, argument }) {
  const words = ref.type === "ref/prompt" ? content.names : content.words;
  const values = words.filter((word) => word.startsWith(argument.value));
  return { completion: { values, total: values.length, hasMore: false } };
}
