"""What does a model answer that calls `echo` where it is offered, and otherwise signs in first?

Speaks the four shapes of model APIs: Anthropic's messages, OpenAI's chat completions and responses, Gemini's generateContent. One
server serves all runs: the first part of the path is the name of a run.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = "ahoy"


class Conversation:
    """One run: what the client's model requests contained, and when they came."""

    def __init__(self, sign_ins=1, calls=1):
        self.lock = threading.Lock()
        self.requests, self.interlude, self.pause = [], None, 0
        self.begin_turn(sign_ins, calls)

    def begin_turn(self, sign_ins=0, calls=1):
        """The most calls of each tool that the model makes from now on."""
        with self.lock:
            self.most, self.made = {"echo": calls, "sign_in": sign_ins}, {"echo": 0, "sign_in": 0}

    def before_second_call(self, action):
        """Something that happens when `echo` has been called once."""
        self.interlude = action

    def decide(self, tools, body):
        """The name of the tool to call and its arguments, or None for a text. It thinks for a while, but for the first."""
        with self.lock:
            self.requests.append({"at": time.monotonic(), "tools": list(tools), "body": body})
        if tools and any(self.made.values()):
            time.sleep(self.pause)
        with self.lock:
            if self.made["echo"] == 1 and self.interlude:
                action, self.interlude = self.interlude, None
                action()
            for kind in ("echo", "sign_in"):
                name = next((name for name in tools if kind in name), None)
                if not name:
                    continue
                if self.made[kind] < self.most[kind]:
                    self.made[kind] += 1
                    return name, {key: WORDS for key in (tools[name] or {}).get("required", [])}
                if kind == "echo":
                    return None
            return None


def functions(tools):
    """Every function in a list of tools of any of the shapes, with its schema."""
    found = {}
    for tool in tools or []:
        if "functionDeclarations" in tool:
            found |= {f["name"]: f.get("parametersJsonSchema") or f.get("parameters") for f in tool["functionDeclarations"]}
        elif tool.get("type") == "namespace":
            found |= {f"{tool['name']}\0{name}": schema for name, schema in functions(tool.get("tools")).items()}
        elif "function" in tool:
            found[tool["function"]["name"]] = tool["function"].get("parameters")
        elif "name" in tool:
            found[tool["name"]] = tool.get("input_schema") or tool.get("parameters")
    return found


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        models = {"object": "list", "data": [{"id": "mock", "object": "model"}], "models": []}
        self.reply(200 if self.path.partition("?")[0].endswith("/models") else 404, models)

    def do_HEAD(self):
        self.reply(200, {})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        _, run, path = self.path.partition("?")[0].split("/", 2)
        conversation = self.server.conversations.get(run)
        if conversation is None:
            return self.reply(404, {"error": {"message": "no such run"}})
        if path.endswith(("count_tokens", "input_tokens", ":countTokens")):
            return self.reply(200, {"input_tokens": 9, "totalTokens": 9})
        if path.endswith("messages"):
            return self.anthropic(conversation, body)
        if path.endswith("chat/completions"):
            return self.chat(conversation, body)
        if path.endswith("responses"):
            return self.openai(conversation, body)
        if "enerateContent" in path:
            return self.gemini(conversation, body, "stream" in path)
        return self.reply(404, {"error": {"message": f"nothing at {path}"}})

    def anthropic(self, conversation, body):
        call = conversation.decide(functions(body.get("tools")), body)
        why = "tool_use" if call else "end_turn"
        usage = {"input_tokens": 9, "output_tokens": 9}
        if call:
            block = {"type": "tool_use", "id": f"toolu_{time.monotonic_ns()}", "name": call[0], "input": call[1]}
            start, delta = block | {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(call[1])}
        else:
            block = {"type": "text", "text": "done"}
            start, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": "done"}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body.get("model"), "content": [block]}
        message |= {"stop_reason": why, "stop_sequence": None, "usage": usage}
        if not body.get("stream"):
            return self.reply(200, message)
        return self.events(
            {"type": "message_start", "message": message | {"content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": start},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": why, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        )

    def chat(self, conversation, body):
        call = conversation.decide(functions(body.get("tools")), body)
        message, why = {"role": "assistant", "content": "done"}, "stop"
        if call:
            function = {"name": call[0], "arguments": json.dumps(call[1])}
            parts = [{"index": 0, "id": f"call_{time.monotonic_ns()}", "type": "function", "function": function}]
            message, why = {"role": "assistant", "content": None, "tool_calls": parts}, "tool_calls"
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        common = {"id": "chatcmpl-1", "created": 1, "model": body.get("model")}
        if not body.get("stream"):
            choice = {"index": 0, "message": message, "finish_reason": why}
            return self.reply(200, common | {"object": "chat.completion", "choices": [choice], "usage": usage})
        chunk = common | {"object": "chat.completion.chunk"}
        return self.events(
            chunk | {"choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            chunk | {"choices": [{"index": 0, "delta": {}, "finish_reason": why}]},
            chunk | {"choices": [], "usage": usage},
            last="[DONE]",
        )

    def openai(self, conversation, body):
        call = conversation.decide(functions(body.get("tools")), body)
        number = time.monotonic_ns()
        if call:
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "status": "completed"}
            space, _, name = call[0].rpartition("\0")
            item |= {"name": name, "arguments": json.dumps(call[1])} | ({"namespace": space} if space else {})
        else:
            text = {"type": "output_text", "text": "done", "annotations": []}
            item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": [text]}
        usage = {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}
        usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        response = {"id": f"resp_{number}", "object": "response", "created_at": 1, "model": body.get("model"), "status": "completed"}
        response |= {"output": [item], "usage": usage}
        if not body.get("stream"):
            return self.reply(200, response)
        events = [
            {"type": "response.created", "response": response | {"status": "in_progress", "output": [], "usage": None}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": response},
        ]
        return self.events(*({**event, "sequence_number": index} for index, event in enumerate(events)))

    def gemini(self, conversation, body, streams):
        call = conversation.decide(functions(body.get("tools")), body)
        part = {"functionCall": {"name": call[0], "args": call[1]}} if call else {"text": "done"}
        candidate = {"index": 0, "content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18}
        answer = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "mock"}
        return self.events(answer) if streams else self.reply(200, answer)

    def events(self, *events, last=None):
        lines = [(f"event: {e['type']}\n" if "type" in e else "") + f"data: {json.dumps(e)}\n\n" for e in events]
        self.write(200, "text/event-stream", "".join(lines) + (f"data: {last}\n\n" if last else ""))

    def reply(self, status, body):
        self.write(status, "application/json", json.dumps(body))

    def write(self, status, kind, content):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content.encode())))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content.encode())


class Model:
    """The server of all runs."""

    def __init__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads, self.server.conversations = True, {}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, run):
        return f"http://127.0.0.1:{self.server.server_port}/{run}"

    def begin(self, run, **shape):
        conversation = self.server.conversations[run] = Conversation(**shape)
        return conversation

    def close(self):
        self.server.shutdown()
        self.server.server_close()
