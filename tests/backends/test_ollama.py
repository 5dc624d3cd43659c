"""Ollama's own wire: lines of JSON become parts; levels go to models that know them, yes or no to the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from replaying import Wire, answer, call, content, ended, joined, thinking
from shared_data import shared

from perpend.backends import Call
from perpend.errors import BadRequest, UpstreamError
from perpend.families.family import family_named
from perpend.types import (
    CallEnded,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)

OWN = Path(__file__).parents[1] / "fixtures" / "ollama"
LINES = (OWN / "tool.ndjson").read_bytes()
GENERIC, GPT_OSS = family_named("generic"), family_named("gpt-oss")


@pytest.mark.parametrize("cuts", range(4))
@pytest.mark.parametrize("name", ["chat-think-stream", "chat-think"])
async def test_a_composed_response_is_read_as_expected(name: str, cuts: int) -> None:
    folder = shared(f"wire/composed/ollama-native/{name}")
    body = next(folder.glob("response.*")).read_bytes()
    expected = json.loads((folder / "meta.json").read_bytes())["expect"]
    wire = Wire("ollama", body, cuts=cuts)
    events = await wire.stream(call()) if name.endswith("stream") else wire.whole(call())
    assert (thinking(events), answer(events)) == (expected["reasoning"], expected["content"])
    assert ended(events) == CallEnded("stop", Usage(15, answer=expected["output_tokens"]), "qwen3:8b")


@pytest.mark.parametrize("cuts", range(4))
async def test_lines_become_parts_in_their_order(cuts: int) -> None:
    events = await Wire("ollama", LINES, cuts=cuts).stream(call())
    parts = content(events)
    assert parts[:3] == (
        Thought("Two cities: ask for both. 🌦"),
        Text("I'll look."),
        ToolUse("call_1", "weather", '{"city": "Bonn"}'),
    )
    clock = parts[3]
    assert isinstance(clock, ToolUse)
    assert (clock.name, clock.arguments, clock.id.startswith("call_")) == ("clock", "{}", True)
    assert ended(events) == CallEnded("tool_calls", Usage(40, answer=50), "m")


async def test_a_last_line_without_its_newline_counts() -> None:
    whole = joined(await Wire("ollama", LINES.rstrip()).stream(call()))
    assert ended(whole).usage == Usage(40, answer=50)


async def test_a_limit_is_told() -> None:
    body = b'{"model":"m","message":{"content":"x"},"done":true,"done_reason":"length","eval_count":3}'
    assert ended(Wire("ollama", body).whole(call())) == CallEnded("length", Usage(0, answer=3), "m")


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (b'{"error":"an error was encountered while running the model"}\n', "while running the model"),
        (b"{damaged\n", "can't be read"),
        (b"", "in the middle"),
    ],
)
async def test_a_stream_that_breaks_is_an_upstream_error(rest: bytes, said: str) -> None:
    with pytest.raises(UpstreamError, match=said):
        await Wire("ollama", LINES.partition(b"\n\n")[0] + b"\n" + rest).stream(call())


async def test_a_model_that_doesnt_think_is_asked_again_without_and_remembered() -> None:
    refused = shared("wire/composed/ollama-native/error-no-thinking/response.json").read_bytes()
    wire = Wire("ollama", (400, refused), LINES)
    asked = call(effort="low", thinking_tokens=100)
    events = await wire.stream(asked, asked)
    assert answer(events) == "I'll look."
    assert [one.body["think"] for one in wire.asked] == [True, False, False]


async def test_another_refusal_stays_one() -> None:
    with pytest.raises(UpstreamError, match="not found"):
        await Wire("ollama", (404, b'{"error":"model \\"m\\" not found"}')).stream(call(thinking_tokens=9))


async def sent(asked: Call) -> dict[str, Any]:
    wire = Wire("ollama", LINES)
    await wire.stream(asked)
    assert wire.asked[0].path == "/api/chat"
    return wire.asked[0].body


@pytest.mark.parametrize(
    ("family", "effort", "tokens", "think"),
    [
        (GENERIC, "high", 900, True),
        (GENERIC, "none", 0, False),
        (GPT_OSS, "medium", 900, "medium"),
        (GPT_OSS, "max", 900, "high"),
        (GPT_OSS, "none", 0, "low"),
    ],
)
async def test_thinking_is_a_level_or_a_yes(family: Any, effort: Any, tokens: int, think: bool | str) -> None:
    assert (await sent(call(family, effort=effort, thinking_tokens=tokens)))["think"] == think


async def test_options_tools_and_format() -> None:
    weather = Tool(name="weather", description="Today's", parameters={"type": "object"})
    output_spec = OutputSpec(tools=(weather,), output=OutputFormat(schema={"type": "object"}))
    body = await sent(
        call(output_spec=output_spec, sampling=Sampling(temperature=0.5, top_p=0.9, seed=3, stop=("x",)))
    )
    assert body["options"] == {
        "num_predict": 4096,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["x"],
    }
    assert body["format"] == {"type": "object"}
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "weather", "description": "Today's", "parameters": {"type": "object"}},
        }
    ]
    body = await sent(
        call(output_spec=OutputSpec(tools=(weather,), tool_choice="none", output=OutputFormat()))
    )
    assert body["format"] == "json"
    assert "tools" not in body


async def test_a_second_turn_has_thinking_calls_and_results() -> None:
    messages = (
        Message("system", "Be brief."),
        Message("user", (Text("This?"), Image("data:image/png;base64,AAAA"))),
        Message(
            "assistant", (Thought("hm"), Text("I'll look."), ToolUse("c1", "weather", '{"city": "Bonn"}'))
        ),
        Message("tool", (ToolResult("c1", "Rain"), ToolResult("c2", (Text("no"),), failed=True))),
    )
    assert (await sent(call(messages=messages)))["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "This?", "images": ["AAAA"]},
        {
            "role": "assistant",
            "content": "I'll look.",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}],
        },
        {"role": "tool", "tool_name": "weather", "tool_call_id": "c1", "content": "Rain"},
        {"role": "tool", "tool_name": "c2", "tool_call_id": "c2", "content": "error: no"},
    ]


async def test_an_image_at_an_address_is_refused_before_anything_is_sent() -> None:
    wire = Wire("ollama", LINES)
    with pytest.raises(BadRequest, match="doesn't load images"):
        await wire.stream(call(messages=(Message("user", (Image("https://example.com/a.png"),)),)))
    assert not wire.asked
