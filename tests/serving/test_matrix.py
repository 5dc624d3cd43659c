"""Every dialect, streamed and whole, with every kind of answer: the official SDKs parse it strictly.

What comes in reaches the backend in canonical form, and what the backend wants back comes back next turn.
"""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from scripted import Gateway, House, gateway
from spine import Spine

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.solve import Origin, Sink, solve
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    Carried,
    Carry,
    Form,
    Message,
    NamedTool,
    OutputFormat,
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

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
USED = Usage(input=20, cached=8, thinking=2, answer=3)
SIGNED = Carry("test", "signature")
THINKING: list[CallEvent] = [ThinkingDelta("6 times "), ThinkingDelta("7")]
KINDS: dict[str, list[CallEvent]] = {
    "text": [AnswerDelta("4"), AnswerDelta("2"), CallEnded("stop", USED)],
    "thinking": [*THINKING, Carried(SIGNED), AnswerDelta("42"), CallEnded("stop", USED)],
    "tools": [
        *THINKING,
        Carried(SIGNED),
        ToolCallDelta(0, "call_1", "add", '{"a":'),
        ToolCallDelta(0, arguments="1}"),
        ToolCallDelta(1, "call_2", "add", '{"a":2}', carry=SIGNED),
        CallEnded("tool_calls", USED),
    ],
    "structured": [
        *THINKING,
        Carried(SIGNED),
        AnswerDelta('{"a":'),
        AnswerDelta(" 1}"),
        CallEnded("stop", USED),
    ],
}
ADD = Tool(name="add", description="Adds.", parameters=SCHEMA, strict=None)
FORMS = {
    "tools": Form(tools=(ADD,), tool_choice=NamedTool("add"), parallel_tools=True),
    "structured": Form(output=OutputFormat(schema=SCHEMA)),
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

    async def solve(
        self, request: Request, sink: Sink | None = None, *, key_id: str | None = None, source: str = "chat"
    ) -> Answer:
        return await solve(request, self.spine.services, sink, origin=Origin(source, key_id))


class Client:
    """One SDK: how it asks for each kind, whole and streamed, and how it goes on."""

    def __init__(self, front: Gateway) -> None:
        url = f"http://127.0.0.1:{front.port}"
        # options are spread into calls below, which their overloads can't follow
        self.openai: Any = AsyncOpenAI(
            base_url=f"{url}/v1", api_key="k", max_retries=0, _strict_response_validation=True
        )
        self.anthropic: Any = AsyncAnthropic(
            base_url=url, api_key="k", max_retries=0, _strict_response_validation=True
        )

    async def chat(self, stream: bool, kind: str, turns: list[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": "m", "messages": turns}
        if kind == "tools":
            function = {"name": "add", "description": "Adds.", "parameters": SCHEMA}
            asked["tools"] = [{"type": "function", "function": function}]
            asked["tool_choice"] = {"type": "function", "function": {"name": "add"}}
            asked["parallel_tool_calls"] = True
        if kind == "structured":
            schema = {"name": "answer", "schema": SCHEMA}
            asked["response_format"] = {"type": "json_schema", "json_schema": schema}
        if not stream:
            return (await self.openai.chat.completions.create(**asked)).to_dict()
        own: dict[str, Any] = {}
        async with self.openai.chat.completions.stream(**asked) as events:
            async for event in events:
                if event.type == "chunk":
                    own |= {k: v for k, v in event.chunk.to_dict().items() if k in ("usage", "perpend")}
            body = (await events.get_final_completion()).to_dict()
        message = body["choices"][0]["message"]
        called: list[Any] = message["tool_calls"] or []
        for call in called:  # the accumulator leaves its own marks
            call.pop("index")
            call["function"].pop("parsed_arguments", None)
        message.pop("parsed", None)
        return {**body, **own}

    async def messages(self, stream: bool, kind: str, turns: list[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": "m", "messages": turns, "max_tokens": 4096}
        if kind == "tools":
            asked["tools"] = [{"name": "add", "description": "Adds.", "input_schema": SCHEMA}]
            asked["tool_choice"] = {"type": "tool", "name": "add", "disable_parallel_tool_use": False}
        if kind == "structured":
            asked["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if not stream:
            return (await self.anthropic.messages.create(**asked)).to_dict()
        async with self.anthropic.messages.stream(**asked) as events:
            own: dict[str, Any] = {}
            async for event in events:
                if event.type == "message_delta":
                    own = {"perpend": event.to_dict()["perpend"]}
            return {**(await events.get_final_message()).to_dict(), **own}

    async def responses(self, stream: bool, kind: str, turns: list[Any]) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": "m", "input": turns}
        if kind == "tools":
            asked["tools"] = [
                {"type": "function", "name": "add", "description": "Adds.", "parameters": SCHEMA}
            ]
            asked["tool_choice"] = {"type": "function", "name": "add"}
            asked["parallel_tool_calls"] = True
        if kind == "structured":
            asked["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}}
        if not stream:
            return (await self.openai.responses.create(**asked)).to_dict()
        *_, last = [event async for event in await self.openai.responses.create(**asked, stream=True)]
        return last.to_dict()["response"]


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


def texts(dialect: str, body: dict[str, Any]) -> tuple[str, str, list[Any]]:
    """Thinking, answer and tool calls as this dialect has them."""
    if dialect == "chat":
        message: Any = body["choices"][0]["message"]
        called: list[Any] = message.get("tool_calls") or []
        calls = [(c["id"], c["function"]["arguments"]) for c in called]
        return message.get("reasoning_content", ""), message["content"] or "", calls
    if dialect == "messages":
        blocks = body["content"]
        calls = [
            (b["id"], msgspec.json.encode(b["input"]).decode()) for b in blocks if b["type"] == "tool_use"
        ]
        return (*("".join(b.get(name, "") for b in blocks) for name in ("thinking", "text")), calls)  # pyright: ignore[reportReturnType]
    items = body["output"]
    calls = [(i["call_id"], i["arguments"]) for i in items if i["type"] == "function_call"]
    by_kind = {
        kind: "".join(c["text"] for i in items if i["type"] == kind for c in i.get("content", []))
        for kind in ("reasoning", "message")
    }
    return by_kind["reasoning"], by_kind["message"], calls


def next_turn(dialect: str, kind: str, body: dict[str, Any]) -> list[Any]:
    """The answer as the SDK gives it, sent again with what follows."""
    again: list[Any]
    if dialect == "chat":
        again = [body["choices"][0]["message"]]
        follow: list[Any] = [{"role": "tool", "tool_call_id": f"call_{i}", "content": str(i)} for i in (1, 2)]
    elif dialect == "messages":
        again = [{"role": "assistant", "content": body["content"]}]
        results = [{"type": "tool_result", "tool_use_id": f"call_{i}", "content": str(i)} for i in (1, 2)]
        follow = [{"role": "user", "content": results}]
    else:
        again = body["output"]
        follow = [{"type": "function_call_output", "call_id": f"call_{i}", "output": str(i)} for i in (1, 2)]
    return [*again, *(follow if kind == "tools" else [{"role": "user", "content": "Sure?"}])]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", ["chat", "messages", "responses"])
async def test_any_dialect(front: Gateway, dialect: str, kind: str) -> None:
    client = Client(front)
    ask = getattr(client, dialect)
    user = [{"role": "user", "content": "What is 6 × 7?"}]
    async with client.openai, client.anthropic:
        whole, streamed = await ask(False, kind, user), await ask(True, kind, user)
        await ask(False, kind, user + next_turn(dialect, kind, streamed))
    house: Any = front.house
    calls = house.spine.model.backend.calls
    assert calls[0].form == FORMS.get(kind, Form())
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
