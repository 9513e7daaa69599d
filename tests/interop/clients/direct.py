"""How does a small agent on a library, or on a command line that only calls tools, carry out a prompt?

direct.py KIND MODEL SETTINGS. Asks for the tools again when it is told that they changed; prints what a person sees.
"""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.request import ProxyHandler, Request, build_opener

HERE = Path(__file__).resolve().parent
KIND, MODEL, SETTINGS = sys.argv[1:]
ENTRY = json.loads(Path(SETTINGS).read_text())["mcpServers"]["bridge"]


def ask(messages, tools):
    functions = [{"type": "function", "function": {"name": name, "parameters": schema}} for name, schema in tools.items()]
    body = json.dumps({"model": "mock", "messages": messages, "tools": functions}).encode()
    request = Request(f"{MODEL}/v1/chat/completions", body, {"content-type": "application/json"})
    with build_opener(ProxyHandler({})).open(request) as response:
        return json.load(response)["choices"][0]["message"]


class FastMcp:
    @asynccontextmanager
    async def open(self):
        from fastmcp import Client

        async with Client({"mcpServers": {"bridge": ENTRY}}, message_handler=self.message) as self.client:
            yield

    changed = False

    async def message(self, message):
        self.changed |= "ListChanged" in type(message).__name__ or "list_changed" in str(getattr(message, "method", ""))

    def instructions(self):
        told = getattr(self.client, "initialize_result", None)
        return getattr(told, "instructions", None)

    async def list(self):
        return {tool.name: getattr(tool, "input_schema", None) or tool.inputSchema for tool in await self.client.list_tools()}

    async def call(self, name, arguments):
        result = await self.client.call_tool(name, arguments, raise_on_error=False)
        return "\n".join(block.text for block in result.content)


class PythonMcp(FastMcp):
    @asynccontextmanager
    async def open(self):
        from mcp import ClientSession, StdioServerParameters, stdio_client

        started = StdioServerParameters(command=ENTRY["command"], args=ENTRY["args"])
        async with stdio_client(started) as (reads, writes), ClientSession(reads, writes, message_handler=self.message) as self.client:
            self.told = await self.client.initialize()
            yield

    def instructions(self):
        return self.told.instructions

    async def list(self):
        return {tool.name: tool.input_schema for tool in (await self.client.list_tools()).tools}

    async def call(self, name, arguments):
        return "\n".join(block.text for block in (await self.client.call_tool(name, arguments)).content)


class CommandLine:
    """Every step is a process of its own, and somebody who has signed in lists the tools again."""

    changed = False

    @asynccontextmanager
    async def open(self):
        yield

    def instructions(self):
        return None

    def run(self, *command):
        ran = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=os.environ)
        sys.stderr.write(ran.stderr)
        return ran.stdout, ran.stderr


class Inspector(CommandLine):
    def inspect(self, *options):
        command = [HERE.parent / "node_modules/.bin/mcp-inspector", "--cli", "--protocol-era", "legacy", *options]
        return self.run(*command, "--", ENTRY["command"], *ENTRY["args"])

    async def list(self):
        shown, errors = self.inspect("--method", "tools/list")
        if not shown.strip().startswith("{"):
            raise SystemExit(f"no tools: {shown}{errors}")
        return {tool["name"]: tool["inputSchema"] for tool in json.loads(shown)["tools"]}

    async def call(self, name, arguments):
        pairs = [word for key, value in arguments.items() for word in ("--tool-arg", f"{key}={value}")]
        shown, errors = self.inspect("--method", "tools/call", "--tool-name", name, *pairs)
        try:
            return "\n".join(block["text"] for block in json.loads(shown)["content"])
        except (ValueError, KeyError):
            return shown + errors


class Mcporter(CommandLine):
    def mcporter(self, *options):
        return self.run(HERE / "node_modules/.bin/mcporter", "--config", SETTINGS, *options)

    async def list(self):
        shown, errors = self.mcporter("list", "bridge", "--json")
        try:
            return {tool["name"]: tool.get("inputSchema") or {} for tool in json.loads(shown)["tools"]}
        except (ValueError, KeyError):
            raise SystemExit(f"no tools: {shown}{errors}") from None

    async def call(self, name, arguments):
        shown, errors = self.mcporter("call", f"bridge.{name}", "--args", json.dumps(arguments))
        return shown + errors


async def main():
    peer = {"fastmcp": FastMcp, "mcp": PythonMcp, "inspector": Inspector, "mcporter": Mcporter}[KIND]()
    messages = [{"role": "user", "content": "call echo"}]
    async with peer.open():
        if peer.instructions():
            messages.insert(0, {"role": "system", "content": peer.instructions()})
        tools = await peer.list()
        while True:
            if peer.changed:
                peer.changed, tools = False, await peer.list()
            answer = ask(messages, tools)
            messages.append(answer)
            for made in answer.get("tool_calls") or []:
                name, arguments = made["function"]["name"], json.loads(made["function"]["arguments"])
                try:
                    result = await peer.call(name, arguments)
                except Exception as error:
                    result = f"{type(error).__name__}: {error}"
                peer.changed |= isinstance(peer, CommandLine) and "sign_in" in name
                print(f"{name}: {result}", flush=True)
                messages.append({"role": "tool", "tool_call_id": made["id"], "content": result})
            if not answer.get("tool_calls"):
                return print(answer["content"], flush=True)


asyncio.run(main())
