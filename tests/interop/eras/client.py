"""The Python SDK's client and FastMCP's with each of these servers, like client.mjs: the same jobs, the same results.

    client.py FERRY
"""

import asyncio
import json
import sys
from contextlib import AsyncExitStack

import mcp
import mcp_types as types
from mcp.client.subscriptions import PromptsListChanged, ResourcesListChanged, ToolsListChanged, listen

from content import CONTENT
from sessions import CLIENTS, PATIENCE, Official, said

[FERRY] = sys.argv[1:]
MODERN = "2026-07-28"
CHANGES = {
    ToolsListChanged: "notifications/tools/list_changed",
    PromptsListChanged: "notifications/prompts/list_changed",
    ResourcesListChanged: "notifications/resources/list_changed",
}


def names(items):
    return [item.name for item in items]


def equal(got, wanted):
    assert got == wanted, f"{got!r:.400} is not {wanted!r:.400}"


def form(message):
    return ("form", message, None, ["name"])


# The return value of each step must be equal without mcp-ferry; its assertions hold for every server.


async def connect(session, job):
    client = session.client
    server = client.server_info
    equal([server.name, server.version], [job["server"], CONTENT["version"]])
    equal(client.instructions, CONTENT["instructions"])
    offers = client.server_capabilities
    assert offers.tools and offers.prompts and offers.resources and offers.logging and offers.completions


async def tools(session, job):
    listed = [tool for page in await session.list("tools") for tool in page]
    equal(sorted(names(listed)), sorted(tool["name"] for tool in CONTENT["tools"]))
    strange = 'Grüße, 世界 \U0001f6a2 "quoted" \\ \u2028 end'
    equal(await session.text("echo", text=strange), strange)
    equal(await session.text("mirrored", region="Köln", n=-7), "Köln -7")
    structured = await session.call("structured", {"count": 3})
    equal(structured.structured_content, {"numbers": [0, 1, 2]})
    failed = await session.call("fails", {})
    assert failed.is_error and "this tool always fails" in said(failed), failed
    try:
        missing = (await session.call("nothing", {})).is_error and "told"
    except mcp.MCPError as error:
        missing = error.code
    assert missing
    return [tool.model_dump(mode="json") for tool in listed], said(failed), missing


async def resources(session, job):
    listed = [resource for page in await session.list("resources") for resource in page]
    equal([str(resource.uri) for resource in listed], [resource["uri"] for resource in CONTENT["resources"]])
    templates = [template for page in await session.list("resource_templates") for template in page]
    equal([template.uri_template for template in templates], ["note://{name}"])
    equal((await session.read("note://two")).text, "note two")
    equal((await session.read("note://elsewhere")).text, "note elsewhere")
    equal((await session.read("note://bytes")).blob, CONTENT["bytes"])
    try:
        raise AssertionError(f"there is {await session.read('gone://one')}")
    except mcp.MCPError as error:
        code = error.code
    translated = session.modern != (job["era"] == "modern")
    assert code == (-32602 if session.modern else -32002) if translated else code in (-32602, -32002), f"code {code}"
    return [item.model_dump(mode="json") for item in listed + templates]


async def prompts(session, job):
    listed = [prompt for page in await session.list("prompts") for prompt in page]
    equal(names(listed), ["greet"])
    [message] = (await session.prompt("greet", {"name": "Ann"})).messages
    equal([message.role, message.content.text], ["user", "Greet Ann."])
    return [prompt.model_dump(mode="json") for prompt in listed]


async def completion(session, job):
    complete = session.client.session.complete
    name = await complete(types.PromptReference(type="ref/prompt", name="greet"), {"name": "name", "value": "A"})
    template = types.ResourceTemplateReference(type="ref/resource", uri="note://{name}")
    word = await complete(template, {"name": "name", "value": "t"})
    equal([name.completion.values, word.completion.values], [["Ann", "Anna"], ["two", "three"]])


async def pagination(session, job):
    equal([len(page) for page in await session.list("tools")], [4, 4, 4, 3])
    equal([len(page) for page in await session.list("resources")], [4, 1])


async def a_form(session, job):
    start = len(session.seen)
    equal(await session.text("ask", message="Who?"), "accept answer to Who?")
    equal(await session.text("ask", message="Refuse?"), "decline")
    equal(session.since(start, "elicitation"), [form("Who?"), form("Refuse?")])


async def a_page(session, job):
    start = len(session.seen)
    url = "https://example.com/login?a=b&c=%20"
    equal(await session.text("visit", url=url), "accept")
    equal(session.since(start, "elicitation"), [("url", "log in", url, [])])


async def sampling(session, job):
    equal(await session.text("sample", prompt="hello"), "sampled: hello")
    many = await asyncio.gather(*(session.text("sample", prompt=f"number {n}") for n in range(6)))
    equal(many, [f"sampled: number {n}" for n in range(6)])


async def roots(session, job):
    equal(await session.text("roots"), "file:///interop/one")


async def at_once(session, job):
    start = len(session.seen)
    equal(await session.text("at_once"), "accept answer to Who? | sampled: hello | file:///interop/one")
    asked = sorted(kind for kind, _ in session.seen[start:] if kind in ("elicitation", "sampling", "roots"))
    equal(asked, ["elicitation", "roots", "sampling"])


async def rounds(session, job):
    start = len(session.seen)
    equal(await session.text("rounds", count=3), ", ".join(f"accept answer to Question {n}" for n in (1, 2, 3)))
    equal(session.since(start, "elicitation"), [form(f"Question {n}") for n in (1, 2, 3)])


async def progress(session, job):
    start = len(session.seen)

    async def told(*what):
        session.note("progress", what)

    equal(said(await session.call("progress", {"steps": 20}, told)), "done")
    await session.until("progress", start, lambda what: what[0] == 20)  # the handler may come after the answer
    equal(session.since(start, "progress"), [(n, 20, f"step {n}") for n in range(1, 21)])


async def logging(session, job):
    heard = {}
    for level in ("debug", "warning"):
        start = len(session.seen)
        if not session.modern:
            await session.client.set_logging_level(level)
        await session.call("log", {}, None, {"io.modelcontextprotocol/logLevel": level} if session.modern else None)
        await session.until("log", start, lambda what: what[0] == "error")
        text = lambda data: data["msg"] if isinstance(data, dict) else data  # noqa: E731
        heard[level] = [(at, logger, text(data)) for at, logger, data in session.since(start, "log")]
    words = lambda *levels: [(level, "peer", f"a word at {level}") for level in levels]  # noqa: E731
    equal(heard, {"debug": words("debug", "info", "warning", "error"), "warning": words("warning", "error")})
    if session.modern and isinstance(session, Official):  # FastMCP's client wants messages with every call
        start = len(session.seen)
        await session.call("log", {})
        equal(session.since(start, "log"), [])


async def cancellation(session, job):
    started = asyncio.Event()

    async def told(*_):
        started.set()

    waiting = asyncio.create_task(session.call("wait", {"key": job["key"]}, told))
    await asyncio.wait_for(started.wait(), PATIENCE)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    equal(await session.text("cancelled", key=job["key"]), "true")
    # During an input request, which is never answered.
    start = len(session.seen)
    asking = asyncio.create_task(session.text("ask", message="Wait?"))
    await session.until("elicitation", start)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    equal(await session.text("ask", message="Still there?"), "accept answer to Still there?")


async def hear(session, subscription):
    async for event in subscription:
        session.note("heard", CHANGES.get(type(event)) or str(event.uri))


async def subscriptions(session, job):
    assert session.client.server_capabilities.resources.subscribe, "the server offers none"
    uri, start = f"note://{job['key']}", len(session.seen)
    sdk, updated = session.client.session, "notifications/resources/updated"
    heard = "heard" if session.modern else updated
    async with AsyncExitStack() as stack:
        if session.modern:
            subscription = await stack.enter_async_context(listen(sdk, resource_subscriptions=[uri]))
            hearing = asyncio.create_task(hear(session, subscription))
            stack.callback(hearing.cancel)
        else:
            await sdk.subscribe_resource(uri)
            stack.push_async_callback(sdk.unsubscribe_resource, uri)
        await session.call("change", {"uri": uri})
        await session.until(heard, start, lambda what: what == uri)
        await session.call("change", {"uri": "note://other"})
    # The client signals when it is inside the input request.
    await session.call("echo", {"text": "left"})
    await session.call("change", {"uri": uri})
    await session.call("echo", {"text": "after"})
    equal(session.since(start, updated), [uri])


async def list_changes(session, job):
    offers = session.client.server_capabilities
    assert offers.tools.list_changed and offers.prompts.list_changed and offers.resources.list_changed, "the server tells of none"
    start = len(session.seen)
    async with AsyncExitStack() as stack:
        if session.modern:
            wanted = dict.fromkeys(("tools_list_changed", "prompts_list_changed", "resources_list_changed"), True)
            subscription = await stack.enter_async_context(listen(session.client.session, **wanted))
            hearing = asyncio.create_task(hear(session, subscription))
            stack.callback(hearing.cancel)
        await session.call("change", {"uri": "note://nobody"})
        for method in CHANGES.values():
            if session.modern:
                await session.until("heard", start, lambda what, method=method: what == method)
            else:
                await session.until(method, start)


STEPS = {
    "connect": connect,
    "tools": tools,
    "resources": resources,
    "prompts": prompts,
    "completion": completion,
    "pagination": pagination,
    "a form": a_form,
    "a page": a_page,
    "sampling": sampling,
    "roots": roots,
    "several at once": at_once,
    "several rounds": rounds,
    "progress": progress,
    "logging": logging,
    "cancellation": cancellation,
    "subscriptions": subscriptions,
    "list changes": list_changes,
}


async def attempt(session, job):
    outcomes = {}
    async with session.client:
        if session.modern:  # a client that is pinned takes its revision for granted, and asks nothing
            sdk = session.client.session
            sdk.adopt(types.DiscoverResult.model_validate(await sdk.send_discover(MODERN)))
        for feature, step in STEPS.items():
            try:
                outcomes[feature] = (await asyncio.wait_for(step(session, job), 2 * PATIENCE), None)
            except Exception as error:
                outcomes[feature] = (None, f"{type(error).__name__}: {' '.join(str(error).split())[:700]}")
    return outcomes


references = {}


async def directly(kind, job):
    name = (kind, job["server"], job["era"])
    if name not in references:
        session = CLIENTS[kind](MODERN if job["era"] == "modern" else "legacy", job["url"])
        references[name] = await attempt(session, job | {"key": "-".join(["direct", *name])})
    return references[name]


async def run(job):
    kind, mode = job["client"].split()
    direct = await directly(kind, job)
    flags = ["--client-protocol", "modern"] if mode == "modern" else []
    session = CLIENTS[kind](MODERN if mode == "modern" else mode, [*flags, *job["flags"], job["url"]], FERRY, job["home"])
    ferried = await attempt(session, job | {"key": "-".join([kind, mode, job["server"], job["era"]])})
    outcomes = {}
    for feature in STEPS:
        (value, problem), (wanted, beside) = ferried[feature], direct[feature]
        if not problem and not beside and value != wanted:
            problem = f"not as directly: {value!r:.400} is not {wanted!r:.400}"
        outcomes[feature] = {"ferry": problem, "direct": beside}
    return outcomes


async def main():
    for line in sys.stdin:
        try:
            outcome = await run(json.loads(line))
        except BaseException as error:
            outcome = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(outcome), flush=True)


asyncio.run(main())
