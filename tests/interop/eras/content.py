"""The behavior of the two Python servers, independent of the SDK: the tools, prompts and resources of content.json."""

import asyncio
import json
import re
from pathlib import Path

import mcp_types as types
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from mcp.shared.message import ServerMessageMetadata

CONTENT = json.loads(Path(__file__).with_name("content.json").read_text())
LEVELS = ["debug", "info", "warning", "error"]
cancelled = set()


def form(message):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def page(url):
    return types.ElicitRequest(params=types.ElicitRequestURLParams(message="log in", url=url, elicitation_id="page"))


def sampling(text):
    said = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=text))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[said], max_tokens=9))


ANSWERS = {
    "elicitation/create": types.ElicitResult,
    "sampling/createMessage": types.CreateMessageResult,
    "roots/list": types.ListRootsResult,
}


def words(answer):
    if isinstance(answer, types.ElicitResult):
        return f"{answer.action} {answer.content['name']}" if answer.content else answer.action
    if isinstance(answer, types.ListRootsResult):
        return " ".join(str(root.uri) for root in answer.roots)
    return answer.content.text


class InputRequired(Exception):
    """Ends a round of the modern era: these input requests must be answered first."""

    def __init__(self, questions, state):
        self.result = types.InputRequiredResult(input_requests=questions, request_state=state)


class Peer:
    """The client as a tool sees it. `session` is the SDK's; `responses` and `state` come with a later round."""

    def __init__(self, session, request_id, responses, state):
        self.session, self.request_id = session, request_id
        self.modern = session.protocol_version in MODERN_PROTOCOL_VERSIONS
        self.answers = json.loads(state or "{}") | {name: words(answer) for name, answer in (responses or {}).items()}

    async def ask(self, **questions):
        """Sends all input requests at once; returns the responses as text, by the requests' names."""
        if self.modern:
            if not questions.keys() <= self.answers.keys():
                raise InputRequired(questions, json.dumps(self.answers))
            return self.answers
        metadata = ServerMessageMetadata(related_request_id=self.request_id)
        asked = [self.session.send_request(q, ANSWERS[q.method], metadata=metadata) for q in questions.values()]
        return dict(zip(questions, map(words, await asyncio.gather(*asked))))


async def ask(peer, message):
    return (await peer.ask(who=form(message)))["who"]


async def visit(peer, url):
    return (await peer.ask(page=page(url)))["page"]


async def sample(peer, prompt):
    return (await peer.ask(said=sampling(prompt)))["said"]


async def roots(peer):
    return (await peer.ask(where=types.ListRootsRequest()))["where"]


async def at_once(peer):
    told = await peer.ask(who=form("Who?"), said=sampling("hello"), where=types.ListRootsRequest())
    return " | ".join(told[name] for name in ("who", "said", "where"))


async def rounds(peer, count):
    names = {f"round{n}": form(f"Question {n}") for n in range(1, count + 1)}
    return ", ".join([(await peer.ask(**{name: question}))[name] for name, question in names.items()])


async def wait(key):
    """Runs until it is cancelled."""
    try:
        await asyncio.Event().wait()
    except BaseException:
        cancelled.add(key)
        raise


async def was_cancelled(key):
    for _ in range(100):
        if key in cancelled:
            return "true"
        await asyncio.sleep(0.05)
    return "false"


def starting(prefix, words):
    values = [word for word in words if word.startswith(prefix)]
    return types.Completion(values=values, total=len(values), has_more=False)


def note(uri):
    """The content of a resource, text or base64; None if the resource does not exist."""
    name = re.fullmatch(r"note://([^/]+)", uri)
    if name is None:
        return None
    return CONTENT["bytes"] if name[1] == "bytes" else f"note {name[1]}"


def announce(listener):
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/mcp", flush=True)
