"""Every dialect before every wire: a real gateway, the wire's own backend, and a server that says the wire's bytes.

The official SDKs parse what comes strictly; streamed and whole agree; counts are the server's; what the server is
asked is well-formed, and the next turn brings back what its vendor wants.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from anthropic.types import RawMessageStreamEvent
from event_streams import chunk
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter
from sdks import DIALECTS, USER, Client, next_turn, texts
from wire_requests import well_formed
from wire_server import Server, fronted

from perpend.backends import backends
from perpend.backends.providers import Provider, providers
from perpend.backends.sse import SSEParser
from perpend.config.schema import ModelConfig, ProviderConfig

OWN = Path(__file__).parents[1] / "fixtures" / "matrix"
KINDS = ("text", "thinking", "tools", "structured")
ANSWERS = {"text": "42", "thinking": "42", "tools": "", "structured": '{"a": 1}'}
TOLD = {"input": 20, "cached": 8, "thinking": 2, "answer": 3}


class Row(NamedTuple):
    """A wire: where its model is, the folder of its bodies, and what differs."""

    like: str | None
    model: str
    folder: str
    path: str
    """Which is asked."""
    usage: dict[str, int] = TOLD
    """Of an answer with thinking."""
    splits: bool = True
    """Its server tells thinking apart from the answer; else that is estimated, and better each time."""
    raw: bool = False
    """It goes on from a prompt: thought and answer are two calls, and a tool that has to be called is called once."""
    wanted: str = ""
    """What has to come back beside a tool call's result."""


SIGNED = '"signature": "c2lnbmVk"'
CLAUDE = "claude-sonnet-4-5"
ROWS: dict[str, Row] = {
    "openai_chat": Row(
        "moonshot", "kimi-k2.5", "openai_chat", "/chat/completions", wanted='"reasoning_content": "6 times 7"'
    ),
    "openai_responses": Row(
        "openai", "gpt-5.1", "openai_responses", "/responses", wanted='"encrypted_content": "opaque"'
    ),
    "anthropic": Row("anthropic", CLAUDE, "anthropic", "/messages", wanted=SIGNED),
    "anthropic_vertex": Row(
        "vertex-anthropic", CLAUDE, "anthropic", f"/models/{CLAUDE}:streamRawPredict", wanted=SIGNED
    ),
    "anthropic_bedrock": Row(
        "bedrock-anthropic",
        CLAUDE,
        "anthropic",
        f"/model/{CLAUDE}/invoke-with-response-stream",
        wanted=SIGNED,
    ),
    "gemini": Row(
        "google",
        "gemini-2.5-flash",
        "gemini",
        "/models/gemini-2.5-flash:streamGenerateContent",
        wanted='"thoughtSignature": "c2lnbmVk"',
    ),
    "cohere": Row("cohere", "command-a-reasoning-08-2025", "cohere", "/chat", splits=False),
    "dashscope": Row("dashscope", "qwen-plus", "dashscope", "/services/aigc/text-generation/generation"),
    "ollama": Row("ollama", "qwen3:8b", "ollama", "/api/chat", {**TOLD, "cached": 0}, splits=False),
    # A thought and an answer are two calls. At `/completion` the second one's input is what it adds.
    "llama_completion": Row(
        None, "qwen2.5-coder", "llama_completion", "/completion", {**TOLD, "input": 22}, raw=True
    ),
    "raw_completion": Row(
        None, "qwen2.5-coder", "raw_completion", "/completions", {**TOLD, "input": 44, "cached": 30}, raw=True
    ),
}
"""By the name of the wire."""


def test_no_wire_is_without_a_row() -> None:
    assert set(ROWS) == set(backends.names())


def bodies(wire: str, kind: str) -> list[bytes]:
    """Those that one answer takes."""

    def body(name: str) -> bytes:
        (file,) = (OWN / ROWS[wire].folder).glob(f"{name}.*")
        return file.read_bytes()

    if ROWS[wire].raw:
        return (
            [body("text")]
            if kind == "text"
            else [body("thought"), body("text" if kind == "thinking" else kind)]
        )
    if wire == "anthropic_bedrock":
        return [b"".join(map(chunk, SSEParser().feed(body(kind))))]
    return [body(kind)]


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
