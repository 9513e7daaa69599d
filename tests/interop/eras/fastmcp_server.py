"""A server of both eras, built with FastMCP: prints its address."""

import asyncio
import base64
import socket
from typing import Annotated

from fastmcp import Context, FastMCP
from pydantic import Field

import content
from content import CONTENT, LEVELS

server = FastMCP(
    "fastmcp", version=CONTENT["version"], instructions=CONTENT["instructions"], list_page_size=CONTENT["page"]
)


async def answered(ctx, tool, *args):
    """A tool that needs input: in the modern era it returns its input requests, in the legacy era it waits."""
    peer = content.Peer(ctx.session, ctx.request_id, ctx.input_responses, ctx.request_state)
    try:
        return await tool(peer, *args)
    except content.InputRequired as required:
        return required.result


@server.tool
def echo(text: str) -> str:
    return text


@server.tool
def structured(count: int) -> dict[str, list[int]]:
    return {"numbers": list(range(count))}


@server.tool
def mirrored(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    n: Annotated[int, Field(json_schema_extra={"x-mcp-header": "N"})],
) -> str:
    return f"{region} {n}"


@server.tool
def fails() -> str:
    raise ValueError("this tool always fails")


@server.tool
async def ask(ctx: Context, message: str):
    return await answered(ctx, content.ask, message)


@server.tool
async def visit(ctx: Context, url: str):
    return await answered(ctx, content.visit, url)


@server.tool
async def sample(ctx: Context, prompt: str):
    return await answered(ctx, content.sample, prompt)


@server.tool
async def roots(ctx: Context):
    return await answered(ctx, content.roots)


@server.tool
async def at_once(ctx: Context):
    return await answered(ctx, content.at_once)


@server.tool
async def rounds(ctx: Context, count: int):
    return await answered(ctx, content.rounds, count)


@server.tool
async def progress(ctx: Context, steps: int) -> str:
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps, f"step {step}")
    return "done"


@server.tool
async def log(ctx: Context) -> str:
    for level in LEVELS:
        await ctx.log(f"a word at {level}", level=level, logger_name="peer")
    return "logged"


@server.tool
async def wait(ctx: Context, key: str) -> str:
    await ctx.report_progress(1, None, "started")
    await content.wait(key)


@server.tool
async def cancelled(key: str) -> str:
    return await content.was_cancelled(key)


@server.tool
async def change(ctx: Context, uri: str) -> str:
    await ctx.session.send_tool_list_changed()
    await ctx.session.send_prompt_list_changed()
    await ctx.session.send_resource_list_changed()
    await ctx.session.send_resource_updated(uri)
    return "changed"


def held(uri):
    """The function that FastMCP requires for a resource."""

    def read():
        text = content.note(uri)
        return base64.b64decode(text) if text == CONTENT["bytes"] else text

    return read


for known in CONTENT["resources"]:
    server.resource(known["uri"], name=known["name"], mime_type=known["mimeType"])(held(known["uri"]))


@server.resource("note://{name}", name="any", mime_type="text/plain")
def note(name: str) -> str:
    return content.note(f"note://{name}")


@server.prompt
def greet(name: str) -> str:
    return f"Greet {name}."


@server.completion
def complete(ref, argument, context):
    return content.starting(argument.value, CONTENT["names" if ref.type == "ref/prompt" else "words"])


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    content.announce(listener)
    serve = server.run_http_async(show_banner=False, path="/mcp", sockets=[listener], log_level="error", stateless_http=False)
    asyncio.run(serve)
