"""A Python client uses every feature of python_server.py, directly and through mcp-ferry: the results must be equal.

    python_client.py LABEL URL FERRY HOME [OPTION of mcp-ferry …]
"""

import asyncio
import os
import re
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport
from mcp_types import CreateMessageResult, PromptReference, ResourceTemplateReference, TextContent

label, url, ferry, home, *options = sys.argv[1:]
PATIENCE = 20


def through():
    env = {"HOME": home, "PATH": os.environ["PATH"], "USER": "interop", "MCP_FERRY_HOME": home}
    return StdioTransport(ferry, [*options, url], env=env, keep_alive=False)


class Session:
    def __init__(self, transport, mode="legacy"):
        self.received = []
        self.news = asyncio.Event()
        self.client = Client(
            transport,
            mode=mode,
            roots=["file:///interop/one"],
            sampling_handler=self.sample,
            elicitation_handler=self.elicit,
            log_handler=self.log,
            message_handler=self.message,
            timeout=PATIENCE,
        )

    async def sample(self, messages, params, context):
        text = TextContent(type="text", text=f"you said: {messages[0].content.text}")
        return CreateMessageResult(role="assistant", model="interop", content=text)

    async def elicit(self, message, response_type, params, context):
        return response_type(value=f"answer to {message}")

    async def log(self, message):
        self.note((message.level, message.logger, message.data))

    async def message(self, message):
        method = getattr(message, "method", None)
        if method and not method.endswith(("/message", "/progress")):
            self.note(method)

    def note(self, what):
        self.received.append(what)
        self.news.set()

    async def until(self, *wanted):
        """Waits until all of these have arrived, in any order, and clears the list."""

        async def listen():
            while not all(any(w == (h if isinstance(h, str) else h[0]) for h in self.received) for w in wanted):
                self.news.clear()
                await self.news.wait()

        try:
            await asyncio.wait_for(listen(), PATIENCE)
        except TimeoutError:
            raise AssertionError(f"waited for {wanted}, received {self.received}") from None
        heard, self.received = self.received, []
        return sorted(map(str, heard))


def dump(value):
    if isinstance(value, list):
        return [dump(item) for item in value]
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


async def initialize(session):
    return dump(session.client.initialize_result)


async def ping(session):
    return await session.client.ping()


async def lists(session):
    c = session.client
    answers = [await c.list_tools(), await c.list_resources(), await c.list_resource_templates(), await c.list_prompts()]
    assert len(answers[0]) == 11, [tool.name for tool in answers[0]]
    return dump(answers)


def tool(name, **arguments):
    async def step(session):
        result = await session.client.call_tool_mcp(name, arguments)
        assert name == "fails" or not result.is_error, result
        return dump(result)

    return step


async def big(session):
    text = "ferry\u2028" * 50_000
    result = await session.client.call_tool("echo", {"text": text})
    assert result.data == text
    return len(text)


async def progress(session):
    heard = []

    async def on_progress(done, total, message):
        heard.append((done, total, message))

    result = await session.client.call_tool("steps", {"count": 50}, progress_handler=on_progress)
    # The last progress may reach the handler just after the response.
    while len(heard) < 50:
        await asyncio.sleep(0.01)
    assert heard == sorted(heard)
    return heard, result.data


async def logging(session):
    await session.client.set_logging_level("debug")
    session.received.clear()
    await session.client.call_tool("logs")
    everything = await session.until("error")
    await session.client.set_logging_level("error")
    await session.client.call_tool("logs")
    return everything, await session.until("error")


async def cancellation(session):
    started = asyncio.Event()

    async def on_progress(*_):
        started.set()

    call = asyncio.create_task(session.client.call_tool("never", progress_handler=on_progress))
    await asyncio.wait_for(started.wait(), PATIENCE)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    told = (await session.client.call_tool("was_cancelled")).data
    assert told, "the server did not receive the cancellation"
    return told


async def changes(session):
    session.received.clear()
    await session.client.call_tool("changes")
    return await session.until(
        *(f"notifications/{what}/list_changed" for what in ("tools", "prompts", "resources")),
        "notifications/resources/updated",
    )


async def resources(session):
    uris = ["peer://fixed", "peer://bytes", "peer://item/x%20y"]
    return [dump(await session.client.read_resource(uri)) for uri in uris]


async def missing(session):
    answers = []
    for call in (session.client.read_resource("peer://nowhere"), session.client.get_prompt("poem", {})):
        try:
            answers.append(dump(await call))
        except Exception as error:
            answers.append(str(error))
    return answers


async def prompts(session):
    return dump(await session.client.get_prompt("poem", {"theme": "the sea"}))


async def completion(session):
    poem = PromptReference(type="ref/prompt", name="poem")
    template = ResourceTemplateReference(type="ref/resource", uri="peer://item/{name}")
    complete = session.client.complete
    answers = [await complete(poem, {"name": "theme", "value": "s"}), await complete(template, {"name": "name", "value": "sh"})]
    return dump(answers)


async def many(session):
    calls = [session.client.call_tool("echo", {"text": str(i)}) for i in range(100)]
    return [result.data for result in await asyncio.gather(*calls)]


STEPS = {
    "initialize": initialize,
    "ping": ping,
    "lists of tools, resources, templates, prompts": lists,
    "a tool": tool("echo", text="Grüße \U0001f6a2 \"q\" \\"),
    "a tool with structured output": tool("structured", count=5),
    "a tool that fails": tool("fails"),
    "a tool with wrong arguments": tool("fails", surplus=1),
    "400 kB each way": big,
    "a hundred calls at once": many,
    "progress": progress,
    "logging": logging,
    "elicitation": tool("asks"),
    "sampling": tool("samples"),
    "roots": tool("roots"),
    "cancellation reaches the server": cancellation,
    "list_changed and updated": changes,
    "resources": resources,
    "things that are not there": missing,
    "prompts": prompts,
    "completion": completion,
}


def normalise(value):
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{32}\b", "<id>", repr(value))


async def attempt(way, step, session):
    try:
        return normalise(await asyncio.wait_for(step(session), 3 * PATIENCE))
    except BaseException as error:
        raise AssertionError(f"{way}: {type(error).__name__}: {error}") from error


async def main():
    failed = 0

    def report(name, error=None):
        nonlocal failed
        failed += error is not None
        why = "" if error is None else ": " + " ".join(str(error).split())[:600]
        print(f"{'ok' if error is None else 'FAILED'} {label}: {name}{why}", flush=True)

    direct, ferried = Session(url), Session(through())
    async with direct.client, ferried.client:
        for name, step in STEPS.items():
            try:
                wanted, got = [await attempt("direct", step, direct), await attempt("ferry", step, ferried)]
                assert got == wanted, f"through the ferry {got[:250]} but directly {wanted[:250]}"
                report(name)
            except AssertionError as error:
                report(name, error)

    # A client that tries the stateless revision first, in a process of its own.
    try:
        session = Session(through(), mode="auto")
        async with session.client as client:
            assert (await client.call_tool("echo", {"text": "auto"})).data == "auto"
        report("a client that begins with server/discover")
    except BaseException as error:
        report("a client that begins with server/discover", error)
    sys.exit(1 if failed else 0)


asyncio.run(main())
