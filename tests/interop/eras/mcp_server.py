"""A server of both eras, built with the low level of the official Python package: prints its address."""

import asyncio
import json
import socket

import mcp_types as types
import uvicorn
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.subscriptions import (
    InMemorySubscriptionBus, ListenHandler, PromptsListChanged, ResourcesListChanged, ResourceUpdated, ToolsListChanged,
)  # fmt: skip
from mcp.shared.exceptions import MCPError

import content
from content import CONTENT, LEVELS

bus = InMemorySubscriptionBus()
least, subscribed = {}, set()  # by session, which only the legacy era has


def session_of(ctx):
    return ctx.request.headers.get("mcp-session-id")


def listing(member, result, item):
    async def answer(ctx, params):
        start = int(params.cursor) if params and params.cursor else 0
        end = start + CONTENT["page"]
        items = [item.model_validate(one) for one in CONTENT[member][start:end]]
        return result(**{name_of[member]: items}, next_cursor=str(end) if end < len(CONTENT[member]) else None)

    return answer


name_of = {"tools": "tools", "resources": "resources", "resourceTemplates": "resource_templates", "prompts": "prompts"}


async def structured(count):
    return {"numbers": list(range(count))}


async def fails():
    raise ValueError("this tool always fails")


async def progress(ctx, steps):
    for step in range(1, steps + 1):
        await ctx.session.report_progress(step, steps, f"step {step}")
    return "done"


async def log(ctx):
    threshold = LEVELS.index(least.get(session_of(ctx), "debug"))
    for level in LEVELS[threshold:]:
        await ctx.session.send_log_message(level, f"a word at {level}", "peer", related_request_id=ctx.request_id)
    return "logged"


async def wait(ctx, key):
    await ctx.session.report_progress(1, None, "started")
    await content.wait(key)


async def change(ctx, peer, uri):
    if peer.modern:
        for event in (ToolsListChanged(), PromptsListChanged(), ResourcesListChanged(), ResourceUpdated(uri=uri)):
            await bus.publish(event)
        return "changed"
    await ctx.session.send_tool_list_changed()
    await ctx.session.send_prompt_list_changed()
    await ctx.session.send_resource_list_changed()
    if (session_of(ctx), uri) in subscribed:
        await ctx.session.send_resource_updated(uri)
    return "changed"


async def call(ctx, name, args, peer):
    match name:
        case "echo":
            return args["text"]
        case "mirrored":
            return f"{args['region']} {args['n']}"
        case "structured":
            return await structured(**args)
        case "fails":
            return await fails()
        case "ask" | "visit" | "sample" | "roots" | "at_once" | "rounds":
            return await getattr(content, name)(peer, **args)
        case "progress":
            return await progress(ctx, **args)
        case "log":
            return await log(ctx)
        case "wait":
            return await wait(ctx, **args)
        case "cancelled":
            return await content.was_cancelled(**args)
        case "change":
            return await change(ctx, peer, **args)
    raise MCPError(types.INVALID_PARAMS, f"no tool {name}")


async def call_tool(ctx, params):
    peer = content.Peer(ctx.session, ctx.request_id, params.input_responses, params.request_state)
    try:
        said, error = await call(ctx, params.name, params.arguments or {}, peer), False
    except content.InputRequired as required:
        return required.result
    except ValueError as failure:
        said, error = str(failure), True
    text = types.TextContent(type="text", text=said if isinstance(said, str) else json.dumps(said))
    return types.CallToolResult(content=[text], structured_content=None if isinstance(said, str) else said, is_error=error)


async def read_resource(ctx, params):
    held = content.note(str(params.uri))
    if held is None:
        modern = ctx.protocol_version in content.MODERN_PROTOCOL_VERSIONS
        code = types.INVALID_PARAMS if modern else -32002
        raise MCPError(code, f"Resource not found: {params.uri}", data={"uri": str(params.uri)})
    if held == CONTENT["bytes"]:
        return types.ReadResourceResult(contents=[types.BlobResourceContents(uri=params.uri, blob=held)])
    return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=held)])


async def get_prompt(ctx, params):
    text = types.TextContent(type="text", text=f"Greet {params.arguments['name']}.")
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=text)])


async def complete(ctx, params):
    words = CONTENT["names" if params.ref.type == "ref/prompt" else "words"]
    return types.CompleteResult(completion=content.starting(params.argument.value, words))


async def set_level(ctx, params):
    least[session_of(ctx)] = params.level
    return types.EmptyResult()


async def subscribe(ctx, params):
    subscribed.add((session_of(ctx), str(params.uri)))
    return types.EmptyResult()


async def unsubscribe(ctx, params):
    subscribed.discard((session_of(ctx), str(params.uri)))
    return types.EmptyResult()


class Changing(Server):
    """Declares in the legacy era too that its lists may change."""

    def create_initialization_options(self, notification_options=None, *args, **kwargs):
        return super().create_initialization_options(NotificationOptions(True, True, True), *args, **kwargs)


server = Changing(
    "mcp",
    version=CONTENT["version"],
    instructions=CONTENT["instructions"],
    on_list_tools=listing("tools", types.ListToolsResult, types.Tool),
    on_call_tool=call_tool,
    on_list_resources=listing("resources", types.ListResourcesResult, types.Resource),
    on_list_resource_templates=listing("resourceTemplates", types.ListResourceTemplatesResult, types.ResourceTemplate),
    on_read_resource=read_resource,
    on_subscribe_resource=subscribe,
    on_unsubscribe_resource=unsubscribe,
    on_subscriptions_listen=ListenHandler(bus),
    on_list_prompts=listing("prompts", types.ListPromptsResult, types.Prompt),
    on_get_prompt=get_prompt,
    on_completion=complete,
    on_set_logging_level=set_level,
)

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    content.announce(listener)
    config = uvicorn.Config(server.streamable_http_app(), log_level="error")
    asyncio.run(uvicorn.Server(config).serve(sockets=[listener]))
