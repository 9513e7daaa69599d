"""A Python MCP server with all features: python_server.py http|sse; prints its URL."""

import asyncio
import socket
import sys

from fastmcp import Context, FastMCP
from mcp_types import Completion, SamplingMessage, TextContent

server = FastMCP("python-peer", version="1.2.3", instructions="Ask me anything.")
cancelled = []


@server.tool
def echo(text: str) -> str:
    return text


@server.tool
def structured(count: int) -> dict[str, list[int]]:
    return {"numbers": list(range(count))}


@server.tool
def fails() -> str:
    raise ValueError("this tool always fails")


@server.tool
async def steps(ctx: Context, count: int) -> str:
    for step in range(count):
        await ctx.report_progress(step + 1, count, f"step {step + 1}")
    return f"{count} steps"


@server.tool
async def logs(ctx: Context) -> str:
    for level in ("debug", "info", "warning", "error"):
        await ctx.log(f"a word at {level}", level=level, logger_name="peer")
    return "logged"


@server.tool
async def asks(ctx: Context) -> str:
    answer = await ctx.elicit("What is your name?", response_type=str)
    return f"{answer.action}: {answer.data}"


@server.tool
async def samples(ctx: Context) -> str:
    question = SamplingMessage(role="user", content=TextContent(type="text", text="Say something."))
    answer = await ctx.session.create_message([question], max_tokens=9, related_request_id=ctx.request_id)
    return answer.content.text


@server.tool
async def roots(ctx: Context) -> list[str]:
    return [str(root.uri) for root in (await ctx.session.list_roots()).roots]


@server.tool
async def never(ctx: Context) -> str:
    """Runs until it is cancelled."""
    await ctx.report_progress(1, 2, "started")
    try:
        await asyncio.Event().wait()
    except BaseException:
        cancelled.append(ctx.session_id)
        raise


@server.tool
async def was_cancelled(ctx: Context) -> bool:
    for _ in range(100):
        if ctx.session_id in cancelled:
            return True
        await asyncio.sleep(0.05)
    return False


@server.tool
async def changes(ctx: Context) -> str:
    """Announces changes of all three lists and of one resource."""
    await ctx.session.send_tool_list_changed()
    await ctx.session.send_prompt_list_changed()
    await ctx.session.send_resource_list_changed()
    await ctx.session.send_resource_updated("peer://fixed")
    return "said so"


@server.resource("peer://fixed", mime_type="text/plain")
def fixed() -> str:
    return "fixed text"


@server.resource("peer://bytes", mime_type="application/octet-stream")
def data() -> bytes:
    return bytes(range(256)) * 64


@server.resource("peer://item/{name}")
def item(name: str) -> str:
    return f"item {name}"


@server.prompt
def poem(theme: str) -> str:
    return f"A poem about {theme}, please."


@server.completion
def complete(ref, argument, context):
    return Completion(values=[word for word in ("sea", "sky", "ship") if word.startswith(argument.value)])


if __name__ == "__main__":
    kind = sys.argv[1]
    listener = socket.create_server(("127.0.0.1", 0))
    path = {"http": "/mcp", "sse": "/sse"}[kind]
    print(f"http://127.0.0.1:{listener.getsockname()[1]}{path}", flush=True)
    asyncio.run(
        server.run_http_async(
            show_banner=False, transport=kind, path=path, sockets=[listener], log_level="error", stateless_http=False
        )
    )
