// A client with all capabilities that records what it receives.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { SSEClientTransport } from "@modelcontextprotocol/sdk/client/sse.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { InMemoryTaskStore } from "@modelcontextprotocol/sdk/experimental/tasks";
import * as types from "@modelcontextprotocol/sdk/types.js";
import { receivedMessages } from "./received_messages.mjs";

const NOTIFICATIONS = {
  log: types.LoggingMessageNotificationSchema,
  updated: types.ResourceUpdatedNotificationSchema,
  resourcesChanged: types.ResourceListChangedNotificationSchema,
  toolsChanged: types.ToolListChangedNotificationSchema,
  promptsChanged: types.PromptListChangedNotificationSchema,
};

// The SDK treats a stream that ended with an error response as broken, resumes it, and receives everything twice.
const reconnectionOptions = { maxRetries: 0, initialReconnectionDelay: 1, maxReconnectionDelay: 1, reconnectionDelayGrowFactor: 1 };

export const directly = (url) => () =>
  url.pathname.endsWith("/sse") ? new SSEClientTransport(url) : new StreamableHTTPClientTransport(url, { reconnectionOptions });

export const through = (ferry, url, home, extra = []) => () =>
  new StdioClientTransport({
    command: ferry,
    args: [...extra, url.href],
    env: { HOME: home, PATH: process.env.PATH, USER: "interop", MCP_FERRY_HOME: home },
    stderr: "inherit",
  });

export async function open(makeTransport) {
  const tasks = new InMemoryTaskStore();
  const client = new Client(
    { name: "interop", version: "1.0.0" },
    {
      taskStore: tasks,
      capabilities: {
        roots: { listChanged: true },
        sampling: {},
        elicitation: { form: {}, url: {} },
        tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
      },
    },
  );
  const { seen, note, until } = receivedMessages();
  for (const [kind, schema] of Object.entries(NOTIFICATIONS)) {
    client.setNotificationHandler(schema, ({ params }) => note(kind, params));
  }
  client.fallbackNotificationHandler = async ({ method, params }) => note(method, params);
  client.onerror = (error) => note("error", { message: error.message });

  const session = { client, seen, until, note, roots: [{ uri: "file:///interop/one", name: "one" }] };
  client.setRequestHandler(types.ListRootsRequestSchema, () => ({ roots: session.roots }));

  // A request for a task gets a task that is already completed when it is polled.
  const answer = async (result, request, extra) => {
    if (!request.params.task) return result;
    const task = await extra.taskStore.createTask({ ttl: request.params.task.ttl, pollInterval: 50 });
    await extra.taskStore.storeTaskResult(task.taskId, "completed", result);
    return { task };
  };
  client.setRequestHandler(types.CreateMessageRequestSchema, (request, extra) => {
    note("sampling", request.params);
    const text = `sampled: ${request.params.messages[0].content.text}`;
    return answer({ role: "assistant", model: "interop", content: { type: "text", text } }, request, extra);
  });
  client.setRequestHandler(types.ElicitRequestSchema, (request, extra) => {
    note("elicitation", request.params);
    const fields = request.params.requestedSchema?.properties ?? {};
    const content = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, valueFor(field)]));
    return answer(request.params.mode === "url" ? { action: "accept" } : { action: "accept", content }, request, extra);
  });

  await client.connect(makeTransport());
  // The SDK's client drops a call's last progress if the response follows immediately, so record it earlier.
  const { transport } = client;
  const deliver = transport.onmessage;
  transport.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") note("progress", message.params);
    deliver(message, extra);
  };
  return session;
}

function valueFor(field) {
  if (field.enum) return field.enum[0];
  if (field.oneOf) return field.oneOf[0].const;
  if (field.type === "array") return (field.items.enum ?? field.items.anyOf.map((item) => item.const)).slice(0, 1);
  if (field.type === "boolean") return true;
  if (field.type === "number" || field.type === "integer") return field.minimum ?? 7;
  return { email: "a@example.com", uri: "https://example.com/", date: "2026-01-02", "date-time": "2026-01-02T03:04:05Z" }[field.format] ?? "text";
}

// Parts that differ between two sessions with the same server: ids, times, names of the session.
export function normalise(value) {
  const text = JSON.stringify(value ?? null)
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<uuid>")
    .replace(/\b[0-9a-f]{32}\b/g, "<hex>")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>")
    .replace(/\d{1,2}:\d\d:\d\d(\s[AP]M)?/g, "<time>");
  return sorted(JSON.parse(text, (_, member) => (isBase64WithTime(member) ? "<blob>" : member)));
}

const isBase64WithTime = (text) =>
  typeof text === "string" && /^[A-Za-z0-9+/]{40,}=*$/.test(text) && atob(text).includes(" created at ");

const sorted = (value) =>
  Array.isArray(value)
    ? value.map(sorted)
    : value && typeof value === "object"
      ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]))
      : value;
