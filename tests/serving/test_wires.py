"""Every dialect before every wire: a real gateway, the wire's own backend, and a server that says the wire's bytes.

The official SDKs parse what comes strictly; streamed and whole agree; counts are the server's; what the server is
asked is well-formed, and the next turn brings back what its vendor wants.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from sdks import DIALECTS, USER, Client, next_turn, texts
from wire_requests import well_formed
from wire_rows import OWN, ROWS, Row, bodies
from wire_server import Server, fronted

from perpend.backends import backends
from perpend.config.schema import ModelConfig, ProviderConfig
from perpend.providers.provider import Provider, providers
from perpend.transport.sse import SSEParser

KINDS = ("text", "thinking", "tools", "structured")
ANSWERS = {"text": "42", "thinking": "42", "tools": "", "structured": '{"a": 1}'}


def test_no_wire_is_without_a_row() -> None:
    assert set(ROWS) == set(backends.names())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("wire", ROWS)
async def test_every_answer(wire: str, dialect: str, kind: str, tmp_path: Path) -> None:
    row, server = ROWS[wire], Server(bodies(wire, kind))
    provider, model = ProviderConfig(like=row.like, wire=wire), ModelConfig(name=row.model)
    async with fronted(server, provider, model, tmp_path) as front:
        client = Client(front)
        ask = getattr(client, dialect)
        async with client.openai, client.anthropic:
            whole, streamed = await ask(False, kind, USER), await ask(True, kind, USER)
            first = len(server.asked)
            await ask(False, kind, USER + next_turn(dialect, kind, streamed))

    thinking, answer, calls = texts(dialect, streamed)
    assert thinking == ("" if kind == "text" else "6 times 7")
    assert answer == ANSWERS[kind]
    if row.raw:  # the ids of its calls are made here
        assert [call[1] for call in calls] == [call[1] for call in texts(dialect, whole)[2]]
        assert [call[1] for call in calls] == (['{"a":1}'] if kind == "tools" else [])
    else:
        assert texts(dialect, whole) == (thinking, answer, calls)
        assert calls == ([("call_1", '{"a":1}'), ("call_2", '{"a":2}')] if kind == "tools" else [])
    same_accounts(row, kind, whole, streamed)

    place = providers()[row.like] if row.like else Provider(name="here")
    for asked in server.asked:
        assert asked.path == row.path
        well_formed(wire, asked.body, place)
    if kind == "tools":
        assert row.wanted in json.dumps(server.asked[first].body)


def same_accounts(row: Row, kind: str, whole: dict[str, Any], streamed: dict[str, Any]) -> None:
    """Usage and our own block are the same, but for a split that isn't the server's."""
    if not row.splits:
        for body in (whole, streamed):
            usage = body["perpend"]["usage"]
            usage["answer"] += usage.pop("thinking")
            assert usage["answer"] == (3 if kind == "text" else 5)
            del body["perpend"]["budget"], body["perpend"]["candidates"]
        assert whole["perpend"]["usage"]["input"] == row.usage["input"]
        assert whole["perpend"]["usage"]["cached"] == row.usage["cached"]
    else:
        assert whole["usage"] == streamed["usage"]
        assert kind == "text" or whole["perpend"]["usage"] == row.usage
    assert whole["perpend"] | {"request_id": ""} == streamed["perpend"] | {"request_id": ""}
    assert whole["perpend"]["truncated"] is False


def test_the_bodies_are_what_vendors_send() -> None:
    """As their own SDKs read it, strictly."""
    shapes: dict[str, Any] = {
        "openai_chat": ChatCompletionChunk,
        "openai_responses": ResponseStreamEvent,
        "anthropic": RawMessageStreamEvent,
    }
    for folder, shape in shapes.items():
        adapter = TypeAdapter[Any](shape)
        for kind in KINDS:
            for event in SSEParser().feed((OWN / folder / f"{kind}.sse").read_bytes()):
                if event not in (b"[DONE]", b'{"type":"ping"}'):
                    adapter.validate_json(event)
