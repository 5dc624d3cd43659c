"""Every dialect, streamed and whole, with every kind of answer: the official SDKs parse it strictly.

What comes in reaches the backend in canonical form, and what the backend wants back comes back next turn.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest
from scripted import Gateway, House, gateway
from sdks import DIALECTS, SCHEMA, USER, Client, next_turn, texts
from spine import Spine

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.solve import Gate, Origin, Sink, solve
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    ForcedTool,
    Message,
    OutputFormat,
    OutputSpec,
    ProviderState,
    ProviderStateDelta,
    Request,
    Text,
    ThinkingDelta,
    Thought,
    Tool,
    ToolCallDelta,
    ToolResult,
    ToolUse,
    Usage,
)

USED = Usage(input=20, cached=8, thinking=2, answer=3)
SIGNED = ProviderState("test", "signature")
THINKING: list[CallEvent] = [ThinkingDelta("6 times "), ThinkingDelta("7")]
KINDS: dict[str, list[CallEvent]] = {
    "text": [AnswerDelta("4"), AnswerDelta("2"), CallEnded("stop", USED)],
    "thinking": [*THINKING, ProviderStateDelta(SIGNED), AnswerDelta("42"), CallEnded("stop", USED)],
    "tools": [
        *THINKING,
        ProviderStateDelta(SIGNED),
        ToolCallDelta(0, "call_1", "add", '{"a":'),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, "call_2", "add", '{"a":2}', provider_state=SIGNED),
        CallEnded("tool_calls", USED),
    ],
    "structured": [
        *THINKING,
        ProviderStateDelta(SIGNED),
        AnswerDelta('{"a":'),
        AnswerDelta(" 1}"),
        CallEnded("stop", USED),
    ],
}
ADD = Tool(name="add", description="Adds.", parameters=SCHEMA, strict=None)
FORMS = {
    "tools": OutputSpec(tools=(ADD,), tool_choice=ForcedTool("add"), parallel_tools=True),
    "structured": OutputSpec(output=OutputFormat(schema=SCHEMA)),
}
THOUGHT = Thought("6 times 7", SIGNED)
SAID = {
    "thinking": (THOUGHT, Text("42")),
    "tools": (THOUGHT, ToolUse("call_1", "add", '{"a":1}'), ToolUse("call_2", "add", '{"a":2}', SIGNED)),
    "structured": (THOUGHT, Text('{"a": 1}')),
}
RESULTS = Message("tool", (ToolResult("call_1", "1"), ToolResult("call_2", "2")))


class SpineHouse(House):
    """Answers through the real spine, from what a backend replays."""

    def __init__(self, backend: ReplayBackend) -> None:
        super().__init__()
        self.spine = Spine(backend, family="generic")

    async def answer(self, request: Request, sink: Sink | None, gate: Gate | None, origin: Origin) -> Answer:
        return await solve(request, self.spine.services, sink, gate=gate, origin=origin)


@pytest.fixture
async def front(request: pytest.FixtureRequest) -> AsyncGenerator[Gateway, None]:
    kind: str = request.getfixturevalue("kind")
    backend = ReplayBackend([[replayed(kind)] for _ in range(4)])
    async with gateway(SpineHouse(backend)) as front:
        yield front


def replayed(kind: str) -> Sequence[CallEvent]:
    return msgspec.convert(
        msgspec.to_builtins(KINDS[kind]), list[CallEvent]
    )  # its own: counts are put into them


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_any_dialect(front: Gateway, dialect: str, kind: str) -> None:
    client = Client(front)
    ask = getattr(client, dialect)
    async with client.openai, client.anthropic:
        whole, streamed = await ask(False, kind, USER), await ask(True, kind, USER)
        await ask(False, kind, USER + next_turn(dialect, kind, streamed))
    house: Any = front.house
    calls = house.spine.model.backend.calls
    assert calls[0].output_spec == FORMS.get(kind, OutputSpec())
    assert calls[0].messages == (Message("user", "What is 6 × 7?"),)

    thinking = "" if kind == "text" else "6 times 7"
    answer = {"text": "42", "thinking": "42", "structured": '{"a": 1}'}.get(kind, "")
    used = [("call_1", '{"a":1}'), ("call_2", '{"a":2}')] if kind == "tools" else []
    assert texts(dialect, whole) == texts(dialect, streamed) == (thinking, answer, used)
    assert whole["perpend"]["usage"] == {"input": 20, "cached": 8, "thinking": 2, "answer": 3}
    for name in whole["perpend"].keys() - {"request_id"}:
        assert streamed["perpend"][name] == whole["perpend"][name]
    assert streamed["usage"] == whole["usage"]

    if kind != "text":
        follow = RESULTS if kind == "tools" else Message("user", "Sure?")
        assert calls[2].messages[1:] == (Message("assistant", SAID[kind]), follow)
