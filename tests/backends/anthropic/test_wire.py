"""The Anthropic messages wire: every recording is read to its own figures; what is sent follows the family."""

import json
from pathlib import Path
from typing import Any

import pytest
from event_streams import chunk, framed
from msgspec.structs import replace
from replaying import Wire, answer, call, content, ended, joined, provider_states, thinking
from shared_data import FOLDER, shared
from wire_speech import stream_of

from perpend.backends import Call, CallEvent
from perpend.config import Config, ProviderConfig
from perpend.errors import UpstreamError
from perpend.families.family import family_named
from perpend.runtime import Runtime
from perpend.types import (
    CallEnded,
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    ProviderState,
    Request,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
)

OWN = Path(__file__).parents[2] / "fixtures" / "anthropic"
RECORDINGS = sorted(path.parent.name for path in FOLDER.glob("wire/anthropic/*/meta.json"))
BUDGET = family_named("claude-extended")
ADAPTIVE = family_named("claude-adaptive")
ALWAYS = family_named("claude-always-on")
WEATHER = Tool(name="weather", description="Today's", parameters={"type": "object", "properties": {}})


def blocks(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Content blocks, usage and stop reason of a recording, put together here without the backend."""
    if path.suffix == ".json":
        message = json.loads(path.read_bytes())
        return message["content"], message["usage"], message["stop_reason"]
    found: dict[int, dict[str, Any]] = {}
    usage: dict[str, Any] = {}
    reason = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        event: dict[str, Any] = json.loads(line[5:]) if line.startswith("data:") else {"type": ""}
        match event["type"]:
            case "message_start":
                usage |= event["message"]["usage"]
            case "content_block_start":
                found[event["index"]] = event["content_block"]
            case "content_block_delta":
                delta = event["delta"]
                for field in ("text", "thinking", "signature"):
                    if field in delta:
                        found[event["index"]][field] += delta[field]
            case "message_delta":
                usage |= event["usage"]
                reason = event["delta"]["stop_reason"]
            case _:
                pass
    return list(found.values()), usage, reason


def assert_equal(events: list[CallEvent], path: Path) -> None:
    parts, usage, reason = blocks(path)
    assert thinking(events) == "".join(part.get("thinking", "") for part in parts)
    assert answer(events) == "".join(part["text"] for part in parts if part["type"] == "text")
    signed = [
        part.get("signature")
        or json.dumps({"type": part["type"], "data": part["data"]}, separators=(",", ":"))
        for part in parts
        if part["type"] in ("thinking", "redacted_thinking")
    ]
    assert provider_states(events) == signed
    calls = [part for part in content(events) if isinstance(part, ToolUse)]
    assert [(use.id, use.name) for use in calls] == [
        (part["id"], part["name"]) for part in parts if part["type"] == "tool_use"
    ]
    cached = usage["cache_read_input_tokens"]
    thought = usage.get("output_tokens_details", {"thinking_tokens": 0})["thinking_tokens"]
    assert ended(events).usage == Usage(
        usage["input_tokens"] + cached + usage["cache_creation_input_tokens"],
        cached,
        thought,
        usage["output_tokens"] - thought,
    )
    assert ended(events).reason == {"end_turn": "stop", "tool_use": "tool_calls"}[reason]


@pytest.mark.parametrize("cuts", [0, 1, 2])
@pytest.mark.parametrize("name", RECORDINGS or ["none"])
async def test_a_recording_is_read_to_its_own_figures(name: str, cuts: int) -> None:
    folder = shared(f"wire/anthropic/{name}")
    path = next(folder.glob("response.*"))
    if path.suffix == ".json":
        assert_equal(Wire("anthropic", path.read_bytes()).whole(call()), path)
    else:
        assert_equal(await Wire("anthropic", path.read_bytes(), cuts=cuts).stream(call()), path)


@pytest.mark.parametrize("name", ["error-budget-ge-max", "error-temperature", "error-enabled-unsupported"])
async def test_a_refusal_is_an_upstream_error_streamed_or_not(name: str) -> None:
    body = shared(f"wire/composed/anthropic/{name}/response.json").read_bytes()
    with pytest.raises(UpstreamError) as refused:
        await Wire("anthropic", (400, body)).stream(call())
    assert refused.value.upstream_status == 400
    with pytest.raises(UpstreamError):
        Wire("anthropic", body).whole(call())


SAID = (
    Thought("Two cities: ask for both. 🌦", ProviderState("here", "c2lnbmVk")),
    Thought("", ProviderState("here", '{"type":"redacted_thinking","data":"aGlkZGVu"}')),
    Text("I'll look."),
    ToolUse("toolu_1", "weather", '{"city": "Bonn"}'),
    ToolUse("toolu_2", "clock", "{}"),
)
END = CallEnded("tool_calls", Usage(127, 100, 25, 35), "claude-x-1", written=7)


@pytest.mark.parametrize("cuts", range(4))
async def test_blocks_become_parts_in_their_order(cuts: int) -> None:
    events = await Wire("anthropic", (OWN / "tool.sse").read_bytes(), cuts=cuts).stream(call())
    assert content(events) == SAID
    assert ended(events) == END


async def test_a_whole_message_says_the_same_as_its_stream() -> None:
    wire = Wire("anthropic", (OWN / "tool.sse").read_bytes())
    assert (
        joined(Wire("anthropic", (OWN / "tool.json").read_bytes()).whole(call()))[:4]
        == joined(await wire.stream(call()))[:4]
    )
    whole = Wire("anthropic", (OWN / "tool.json").read_bytes()).whole(call())
    assert ended(whole) == END
    assert [use.arguments for use in content(whole) if isinstance(use, ToolUse)] == ['{"city": "Bonn"}', "{}"]


@pytest.mark.parametrize(
    ("reason", "meant"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop_sequence"),
        ("max_tokens", "length"),
        ("refusal", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("invented_later", "stop"),
    ],
)
def test_why_it_ended(reason: str, meant: str) -> None:
    body = json.dumps({"type": "message", "content": [], "stop_reason": reason}).encode()
    assert ended(Wire("anthropic", body).whole(call())) == CallEnded(meant)  # type: ignore[arg-type]


def begun(index: int | None, call_id: str, **given: Any) -> dict[str, Any]:
    block = {"type": "tool_use", "id": call_id, "name": "weather", **given}
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(index: int | None, text: str) -> dict[str, Any]:
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": index, "delta": delta}


OSLO, ROME = '{"city":"Oslo"}', '{"city":"Rome"}'


@pytest.mark.parametrize(
    "events",
    [
        [begun(0, "a"), begun(1, "b"), piece(1, ROME[:4]), piece(0, OSLO), piece(1, ROME[4:])],
        [begun(None, "a"), piece(None, OSLO), begun(None, "b"), piece(None, ROME)],
        [begun(0, "a"), piece(None, OSLO), begun(1, "b"), piece(None, ROME)],
        [begun(0, "a"), piece(0, OSLO), begun(0, "b"), piece(0, ROME)],
        [begun(0, "a", input=OSLO), begun(0, "b", input=ROME)],
        [begun(None, "a", input=OSLO), begun(None, "b", input={}), piece(None, ROME)],
        [
            begun(0, "a", input="{}"),
            piece(0, OSLO[:3]),
            piece(0, OSLO),
            begun(1, "b", input=[]),
            piece(1, ROME),
        ],
    ],
)
async def test_calls_are_told_apart_however_their_blocks_are_numbered(events: list[Any]) -> None:
    said: list[Any] = [{"type": "message_start", "message": {}}, *events, {"type": "message_stop"}]
    told = await Wire("anthropic", stream_of("anthropic", said)).stream(call())
    assert content(told) == (ToolUse("a", "weather", OSLO), ToolUse("b", "weather", ROME))
    assert ended(told).reason == "tool_calls"


def test_a_whole_message_needs_no_type() -> None:
    said = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    told = Wire("anthropic", json.dumps(said).encode()).whole(call())
    assert (answer(told), ended(told).reason) == ("Hi", "stop")


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
            "Over",
        ),
        (b"data: {damaged\n\n", "can't be read"),
        (b"", "in the middle"),
    ],
)
async def test_a_stream_that_breaks_is_an_upstream_error(rest: bytes, said: str) -> None:
    begun = (OWN / "tool.sse").read_bytes().partition(b"event: message_delta")[0]
    with pytest.raises(UpstreamError, match=said):
        await Wire("anthropic", begun + rest).stream(call())


async def sent(asked: Call, **place: Any) -> dict[str, Any]:
    wire = Wire("anthropic", (OWN / "tool.sse").read_bytes(), **place)
    await wire.stream(asked)
    assert wire.asked[0].path == "/messages"
    assert wire.asked[0].headers["anthropic-version"] == "2023-06-01"
    return wire.asked[0].body


async def test_the_request_is_the_one_that_the_vendor_recorded() -> None:
    recorded = json.loads(shared("wire/anthropic/msg-sonnet4-stream/request.json").read_bytes())
    asked = call(
        BUDGET, thinking_tokens=1024, messages=(Message("user", (Text("How do I cross the street?"),)),)
    )
    assert await sent(replace(asked, model="claude-sonnet-4-0")) == recorded


@pytest.mark.parametrize(
    ("tokens", "room", "thinking"),
    [
        (3000, 4096, {"type": "enabled", "budget_tokens": 3000}),
        (100, 4096, {"type": "enabled", "budget_tokens": 1024}),
        (9000, 4096, {"type": "enabled", "budget_tokens": 4095}),
        (900, 1024, {"type": "disabled"}),
        (0, 4096, {"type": "disabled"}),
    ],
)
async def test_a_budget_keeps_to_the_vendors_bounds(tokens: int, room: int, thinking: dict[str, Any]) -> None:
    body = await sent(call(BUDGET, thinking_tokens=tokens, max_tokens=room))
    assert (body["thinking"], body["max_tokens"]) == (thinking, room)


async def test_adaptive_thinking_gets_an_effort_word_and_is_shown() -> None:
    body = await sent(call(ADAPTIVE, effort="high", thinking_tokens=2000))
    assert body["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert body["output_config"] == {"effort": "high"}
    assert (await sent(call(ADAPTIVE, effort="none")))["thinking"] == {"type": "disabled"}
    body = await sent(call(ALWAYS, effort="none"))
    assert (body["thinking"]["type"], body["output_config"]) == ("adaptive", {"effort": "low"})


async def test_a_family_that_takes_neither_is_sent_no_thinking() -> None:
    body = await sent(call(replace(BUDGET, budget="none"), thinking_tokens=2000, effort="high"))
    assert "thinking" not in body
    assert "output_config" not in body


async def test_sampling_goes_along_only_while_nothing_is_thought() -> None:
    sampling = Sampling(temperature=1.4, top_p=0.9, seed=3, stop=("x",))
    body = await sent(call(BUDGET, sampling=sampling))
    assert (body["temperature"], body["stop_sequences"]) == (1.0, ["x"])
    assert not {"top_p", "seed"} & body.keys()
    assert (
        not {"temperature", "top_p"}
        & (await sent(call(BUDGET, sampling=sampling, thinking_tokens=2000))).keys()
    )
    assert not {"temperature", "top_p"} & (await sent(call(ALWAYS, sampling=sampling, effort="none"))).keys()


@pytest.mark.parametrize(
    ("choice", "parallel", "sent_as", "thinks"),
    [
        ("auto", None, {"type": "auto"}, True),
        ("none", False, {"type": "none"}, True),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}, True),
        ("required", None, {"type": "any"}, False),
        (ForcedTool("weather"), None, {"type": "tool", "name": "weather"}, False),
    ],
)
@pytest.mark.parametrize("family", [BUDGET, ADAPTIVE])
async def test_a_tool_that_must_be_called_excludes_thinking(
    choice: Any, parallel: bool | None, sent_as: dict[str, Any], thinks: bool, family: Any
) -> None:
    output_spec = OutputSpec(tools=(WEATHER,), tool_choice=choice, parallel_tools=parallel)
    body = await sent(call(family, effort="high", thinking_tokens=2000, output_spec=output_spec))
    assert body["tools"] == [
        {"name": "weather", "description": "Today's", "input_schema": {"type": "object", "properties": {}}}
    ]
    assert body["tool_choice"] == sent_as
    assert (body["thinking"]["type"] != "disabled") == thinks


async def test_an_output_schema_is_closed_and_any_object_is_asked_for_in_words() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "object"}}}}
    body = await sent(
        call(ADAPTIVE, effort="low", output_spec=OutputSpec(output=OutputFormat(schema=schema)))
    )
    closed = {"type": "object", "additionalProperties": False}
    assert body["output_config"] == {
        "effort": "low",
        "format": {
            "type": "json_schema",
            "schema": {**closed, "properties": {"a": {"type": "array", "items": closed}}},
        },
    }
    open_ended = {"type": "object", "additionalProperties": {"type": "integer"}}
    body = await sent(call(ADAPTIVE, output_spec=OutputSpec(output=OutputFormat(schema=open_ended))))
    assert body["output_config"]["format"]["schema"] == open_ended
    messages = (Message("system", "Be brief."), Message("user", "Hi"))
    body = await sent(call(ADAPTIVE, messages=messages, output_spec=OutputSpec(output=OutputFormat())))
    assert body["system"].startswith("Be brief.\n\nAnswer with one JSON object")


TURN = (
    Message("system", "Be brief."),
    Message("user", (Text("This?"), Image("data:image/png;base64,AAAA"), Image("https://example.com/a.png"))),
    Message("assistant", SAID),
    Message("tool", (ToolResult("toolu_1", "Rain"), ToolResult("toolu_2", (Text("no"),), failed=True))),
)


async def test_a_second_turn_gives_back_unchanged_what_the_vendor_wants_back() -> None:
    body = await sent(call(BUDGET, messages=TURN, thinking_tokens=2000))
    assert body["system"] == "Be brief."
    assert body["thinking"]["type"] == "enabled"
    assert [block.get("source") for block in body["messages"][0]["content"]] == [
        None,
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "url", "url": "https://example.com/a.png"},
    ]
    said = json.loads((OWN / "tool.json").read_bytes())["content"]
    del said[2]["citations"]
    assert body["messages"][1] == {"role": "assistant", "content": said}
    assert body["messages"][2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain"},
            {
                "type": "tool_result",
                "tool_use_id": "toolu_2",
                "content": [{"type": "text", "text": "no"}],
                "is_error": True,
            },
        ],
    }


@pytest.mark.parametrize("name", RECORDINGS or ["none"])
async def test_what_was_recorded_goes_back_as_it_came(name: str) -> None:
    path = next(shared(f"wire/anthropic/{name}").glob("response.*"))
    wire = Wire("anthropic", path.read_bytes())
    events = wire.whole(call()) if path.suffix == ".json" else await wire.stream(call())
    messages = (Message("user", "Hi"), Message("assistant", content(events)), Message("user", "And?"))
    back = (await sent(call(BUDGET, messages=messages)))["messages"][1]["content"]
    kept = [part for part in blocks(path)[0] if part["type"] in ("thinking", "redacted_thinking")]
    assert [part for part in back if part["type"] in ("thinking", "redacted_thinking")] == kept


async def test_another_vendors_carries_are_dropped_and_its_turn_goes_on_without_thinking() -> None:
    body = await sent(call(BUDGET, messages=TURN, thinking_tokens=2000), provider="elsewhere")
    assert [block["type"] for block in body["messages"][1]["content"]] == ["text", "tool_use", "tool_use"]
    assert body["thinking"] == {"type": "disabled"}
    body = await sent(call(ADAPTIVE, effort="high", messages=TURN), provider="elsewhere")
    assert body["thinking"]["type"] == "adaptive"


async def test_odd_ids_arguments_and_blanks_of_other_vendors_are_made_acceptable() -> None:
    messages = (
        Message("user", "Hi"),
        Message("assistant", (Text("\n\n"), ToolUse("functions.f:0", "f", "[1"))),
        Message("tool", (ToolResult("functions.f:0", "ok"),)),
        Message("assistant", " "),
    )
    said = (await sent(call(messages=messages)))["messages"]
    assert said[1]["content"] == [
        {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {"arguments": "[1"}}
    ]
    assert said[2]["content"][0]["tool_use_id"] == "functions_f_0"
    assert len(said) == 3


async def test_input_is_counted_by_the_vendor() -> None:
    wire = Wire("anthropic", b'{"input_tokens": 17}')
    assert await wire.count(call(BUDGET, thinking_tokens=2000, sampling=Sampling(stop=("x",)))) == 17
    assert wire.asked[0].path == "/messages/count_tokens"
    assert wire.asked[0].body.keys() == {"model", "messages", "thinking"}
    assert await Wire("anthropic", (404, b"{}")).count(call()) is None


async def test_vertex_has_the_model_in_its_path() -> None:
    wire = Wire("anthropic_vertex", (OWN / "tool.sse").read_bytes())
    events = await wire.stream(replace(call(), model="claude-x@2026"))
    assert content(events) == SAID
    assert wire.asked[0].path == "/models/claude-x@2026:streamRawPredict"
    assert wire.asked[0].body["anthropic_version"] == "vertex-2023-10-16"
    assert wire.asked[0].body["stream"] is True
    assert "model" not in wire.asked[0].body


def bedrock() -> bytes:
    lines = (OWN / "tool.sse").read_bytes().splitlines()
    return b"".join(chunk(line[6:]) for line in lines if line.startswith(b"data: "))


@pytest.mark.parametrize("cuts", range(4))
async def test_bedrock_sends_the_same_events_in_its_own_framing(cuts: int) -> None:
    wire = Wire("anthropic_bedrock", bedrock(), cuts=cuts)
    events = await wire.stream(replace(call(), model="anthropic.claude-x-v1:0"))
    assert (content(events), ended(events)) == (SAID, END)
    assert wire.asked[0].path == "/model/anthropic.claude-x-v1:0/invoke-with-response-stream"
    assert wire.asked[0].body["anthropic_version"] == "bedrock-2023-05-31"
    assert not {"model", "stream"} & wire.asked[0].body.keys()


async def test_an_exception_of_bedrock_is_an_upstream_error() -> None:
    exception = framed(
        b'{"message":"slow down"}', message_type="exception", exception_type="throttlingException"
    )
    with pytest.raises(UpstreamError, match="slow down"):
        await Wire("anthropic_bedrock", exception).stream(call())


async def test_a_known_vendor_is_asked_with_its_headers_and_its_answer_comes_back_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAUDE_KEY", "sk-ant-of-a-test")
    wire = Wire("anthropic", (OWN / "tool.sse").read_bytes())
    async with wire.serving() as url:
        place = ProviderConfig(base_url=url, api_key_env="CLAUDE_KEY")
        config = Config(home=tmp_path, providers={"anthropic": place})
        async with await Runtime.open(config) as runtime:
            asked = Request(model="anthropic/claude-sonnet-4-5", messages=(Message("user", "Weather?"),))
            answered = await runtime.solve(asked)
    assert answered.stop_reason == "tool_calls"
    assert [use.name for use in answered.tool_calls] == ["weather", "clock"]
    assert answered.content[0] == Thought(
        "Two cities: ask for both. 🌦", ProviderState("anthropic", "c2lnbmVk")
    )
    assert answered.usage == Usage(127, 100, 25, 35)
    headers = {name.lower(): value for name, value in wire.asked[0].headers.items()}
    assert (headers["x-api-key"], headers["anthropic-version"]) == ("sk-ant-of-a-test", "2023-06-01")
    assert headers["anthropic-beta"] == "interleaved-thinking-2025-05-14"
    assert wire.asked[0].body["thinking"]["type"] == "enabled"
