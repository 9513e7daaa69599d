"""One interface to the client of each library, which records every message that the client receives."""

import asyncio
import os

import fastmcp
import mcp
import mcp_types as types
from fastmcp.client.elicitation import ElicitResult as FastElicitResult
from fastmcp.client.transports import StdioTransport
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

PATIENCE = 15


def environment(home):
    return {"HOME": home, "PATH": os.environ["PATH"], "MCP_FERRY_HOME": home}


def said(result):
    return "\n".join(part.text for part in result.content)


class Session:
    """A client with all capabilities that records what it receives, in order of arrival."""

    def __init__(self):
        self.seen, self.news = [], asyncio.Event()

    def note(self, kind, what=None):
        self.seen.append((kind, what))
        self.news.set()

    def since(self, start, kind):
        return [what for one, what in self.seen[start:] if one == kind]

    async def until(self, kind, start, fits=lambda what: True):
        async def listening():
            while not any(fits(what) for what in self.since(start, kind)):
                self.news.clear()
                await self.news.wait()

        try:
            await asyncio.wait_for(listening(), PATIENCE)
        except TimeoutError:
            raise AssertionError(f"no {kind}; came: {[one for one, _ in self.seen[start:]]}") from None

    async def question(self, params):
        fields = list(getattr(params, "requested_schema", None) and params.requested_schema["properties"] or [])
        self.note("elicitation", (params.mode or "form", params.message, getattr(params, "url", None), fields))
        if params.message.startswith("Refuse"):
            return "decline", None
        if params.message.startswith("Wait"):
            await asyncio.Event().wait()
        return "accept", None if params.mode == "url" else {"name": f"answer to {params.message}"}

    def sampled(self, messages):
        self.note("sampling")
        text = types.TextContent(type="text", text=f"sampled: {messages[0].content.text}")
        return types.CreateMessageResult(role="assistant", model="interop", content=text)

    async def log(self, params):
        self.note("log", (params.level, params.logger, params.data))

    async def message(self, message):
        method = getattr(message, "method", None)
        if method == "notifications/resources/updated":
            self.note(method, str(message.params.uri))
        elif method:
            self.note(method)

    @property
    def modern(self):
        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def list(self, member):
        pages, cursor = [], None
        while True:
            answer = await self.page(member, cursor)
            pages.append(getattr(answer, member))
            cursor = answer.next_cursor
            if cursor is None or len(pages) == 9:
                return pages

    async def text(self, name, **arguments):
        return said(await self.call(name, arguments))


class Official(Session):
    """The official package's client."""

    def __init__(self, mode, server, ferry=None, home=None):
        super().__init__()
        if ferry:
            server = mcp.StdioServerParameters(command=ferry, args=server, env=environment(home))
        self.client = mcp.Client(
            server, mode=mode, sampling_callback=self.sample, list_roots_callback=self.roots, logging_callback=self.log,
            elicitation_callback=self.elicit, message_handler=self.message,
        )  # fmt: skip

    async def sample(self, context, params):
        return self.sampled(params.messages)

    async def roots(self, context):
        self.note("roots")
        return types.ListRootsResult(roots=[types.Root(uri="file:///interop/one", name="one")])

    async def elicit(self, context, params):
        action, content = await self.question(params)
        return types.ElicitResult(action=action, content=content)

    async def page(self, member, cursor):
        return await getattr(self.client, f"list_{member}")(cursor=cursor)

    async def call(self, name, arguments, progress=None, meta=None):
        return await self.client.call_tool(name, arguments, progress_callback=progress, meta=meta)

    async def read(self, uri):
        return (await self.client.read_resource(uri)).contents[0]

    async def prompt(self, name, arguments):
        return await self.client.get_prompt(name, arguments)


class Fast(Session):
    """FastMCP's client."""

    def __init__(self, mode, server, ferry=None, home=None):
        super().__init__()
        if ferry:
            server = StdioTransport(ferry, server, env=environment(home), keep_alive=False)
        self.client = fastmcp.Client(
            server, mode=mode, sampling_handler=self.sample, roots=self.roots, log_handler=self.log,
            elicitation_handler=self.elicit, message_handler=self.message,
        )  # fmt: skip

    async def sample(self, messages, params, context):
        return self.sampled(messages)

    async def roots(self, context):
        self.note("roots")
        return [types.Root(uri="file:///interop/one", name="one")]

    async def elicit(self, message, response_type, params, context):
        action, content = await self.question(params)
        return FastElicitResult(action=action, content=content)

    async def page(self, member, cursor):
        return await getattr(self.client, f"list_{member}_mcp")(cursor=cursor)

    async def call(self, name, arguments, progress=None, meta=None):
        return await self.client.call_tool_mcp(name, arguments, progress_handler=progress, meta=meta)

    async def read(self, uri):
        return (await self.client.read_resource_mcp(uri)).contents[0]

    async def prompt(self, name, arguments):
        return await self.client.get_prompt_mcp(name, arguments)


CLIENTS = {"mcp": Official, "fastmcp": Fast}
