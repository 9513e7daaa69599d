"""A Python server that speaks HTTP/2 and HTTP/1.1 over TLS: an application of ASGI that sends each request on to a server of HTTP/1.1.

    UPSTREAMS="/mcp=http://… =http://…" hypercorn http2_hypercorn:forward

Each path goes to the first upstream whose prefix it has.
"""

import asyncio
import os

import httpx2

UPSTREAMS = [entry.split("=", 1) for entry in os.environ["UPSTREAMS"].split()]
OF_THE_CONNECTION = {b"connection", b"keep-alive", b"transfer-encoding", b"host"}
client = httpx2.AsyncClient(timeout=None, limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0))


def end_to_end(headers):
    return [(name, value) for name, value in headers if name.lower() not in OF_THE_CONNECTION]


async def whole_body(receive):
    """`None` if the client goes away before its end."""
    parts = []
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)


async def disconnected(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def respond(response, send):
    await send({"type": "http.response.start", "status": response.status_code, "headers": end_to_end(response.headers.raw)})
    async for chunk in response.aiter_raw():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def forward(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": f"{event['type']}.complete"})
            if event["type"] == "lifespan.shutdown":
                return
    path = scope["raw_path"].decode()
    upstream = next(url for prefix, url in UPSTREAMS if path.startswith(prefix))
    url = f"{upstream}{path}?{scope['query_string'].decode()}"
    content = await whole_body(receive)
    if content is None:
        return
    request = client.build_request(scope["method"], url, headers=end_to_end(scope["headers"]), content=content)
    # A client that goes away must end the request at the upstream, which for a GET stream never ends by itself.
    gone = asyncio.create_task(disconnected(receive))
    response = asyncio.create_task(client.send(request, stream=True))
    await asyncio.wait({gone, response}, return_when=asyncio.FIRST_COMPLETED)
    if not response.done():
        response.cancel()
        return
    sending = asyncio.create_task(respond(response.result(), send))
    await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
    sending.cancel()
    gone.cancel()
    await response.result().aclose()
