"""The OpenAI responses wire: its recordings, and items of reasoning that go back as they came."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from replaying import Wire, answer, call, content, ended, joined, provider_states, thinking
from shared_data import shared

from perpend.backends.openai_responses.request import responses_body
from perpend.config import Config, ProviderConfig
from perpend.errors import BadRequest, UpstreamError
from perpend.families.family import family_of
from perpend.providers.provider import providers
from perpend.runtime import Runtime
from perpend.types import (
    AnswerDelta,
    CustomToolSpec,
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    ProviderState,
    Request,
    Text,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    Usage,
    custom_arguments,
    custom_tool,
)

OWN = Path(__file__).parents[2] / "fixtures" / "openai_responses"


@pytest.mark.parametrize("cuts", range(4))
async def test_a_stream_cut_anywhere_says_what_its_whole_response_says(cuts: int) -> None:
    streamed = await Wire("openai_responses", (OWN / "tool.sse").read_bytes(), cuts=cuts).stream(call())
    whole = Wire("openai_responses", (OWN / "tool.json").read_bytes()).whole(call())
    assert content(streamed) == content(whole)
    assert streamed[-1] == whole[-1]
    thought, text, use = content(whole)
    assert isinstance(thought, Thought)
    assert thought.text == "The sum needs a tool."
    assert text == Text("Let me add – so.")
    assert use == ToolUse("call_1", "add", '{"a": 2, "b": 3}')
    assert ended(whole).usage == Usage(40, 16, 12, 18)
    assert ended(whole).reason == "tool_calls"


async def test_an_item_of_reasoning_goes_back_as_it_came() -> None:
    body = shared("wire/openai/resp-stream-summary-encrypted/response.sse").read_bytes()
    events = await Wire("openai_responses", body, provider="openai").stream(call())
    (data,) = provider_states(events)
    item = msgspec.json.decode(data)
    assert item["encrypted_content"]
    messages = (Message("user", "?"), Message("assistant", content(events)))
    assert sent(messages=messages)["input"][1] == item
    elsewhere = sent(call().model, "xai", messages=messages)
    assert [row for row in elsewhere["input"] if "encrypted_content" in row] == []


def test_an_item_that_a_client_changed_is_refused() -> None:
    changed = Message("assistant", (Thought("Hm.", ProviderState("openai", "{damaged")),))
    with pytest.raises(BadRequest, match="isn't as it was given") as refused:
        sent(messages=(Message("user", "?"), changed))
    assert refused.value.field == "messages"


def sent(model: str = "gpt-5", provider: str = "openai", **changes: Any) -> dict[str, Any]:
    asked = replace(call(family_of(model), thinking_tokens=100, effort="low"), model=model, **changes)
    return msgspec.json.decode(msgspec.json.encode(responses_body(asked, providers()[provider])))


def test_nothing_is_stored_there_and_what_is_needed_comes_back_encrypted() -> None:
    body = sent()
    assert body["store"] is False
    assert body["include"] == ["reasoning.encrypted_content"]
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert body["max_output_tokens"] == 4096
    assert "reasoning" not in sent("gpt-4o")


@pytest.mark.parametrize(("effort", "thinking"), [("high", 0), ("low", 100)])
def test_the_background_is_for_the_efforts_of_its_row_where_there_is_thinking(
    effort: str, thinking: int
) -> None:
    row = replace(providers()["openai"], background=("high", "max"))
    asked = replace(call(family_of("gpt-5"), thinking_tokens=100, effort="high"), model="gpt-5")
    assert responses_body(asked, row)["background"] is True
    other = replace(asked, effort=effort, thinking_tokens=thinking)
    assert "background" not in responses_body(other, row)
    assert "background" not in responses_body(asked, providers()["openai"])


def test_parts_become_items_in_their_order() -> None:
    question = Message("user", (Text("What?"), Image("https://x/y.png")))
    said = Message(
        "assistant", (Thought("Hm.", ProviderState("other", "{}")), Text("So."), ToolUse("c", "add", "{}"))
    )
    result = Message("tool", (ToolResult("c", "5"),))
    assert sent(messages=(Message("system", "Be brief."), question, said, result))["input"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What?"},
                {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"},
            ],
        },
        {"role": "assistant", "content": "So."},
        {"type": "function_call", "call_id": "c", "name": "add", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "5"},
    ]


def test_tools_and_formats() -> None:
    output_spec = OutputSpec(
        tools=(Tool(name="add"),),
        tool_choice=ForcedTool("add"),
        output=OutputFormat(schema={"type": "object"}),
    )
    body = sent(output_spec=output_spec)
    assert body["tools"][0] | {"type": "function", "name": "add", "strict": False} == body["tools"][0]
    assert body["tool_choice"] == {"type": "function", "name": "add"}
    assert body["text"]["format"]["schema"] == {"type": "object"}


def test_a_custom_tool_goes_as_it_is_with_its_calls_and_their_results() -> None:
    grammar = CustomToolSpec(description="Changes files.", syntax="lark", definition="start: /.+/")
    tools = (custom_tool("patch", grammar), custom_tool("say", CustomToolSpec()), Tool(name="add"))
    calls = (ToolUse("c1", "patch", custom_arguments('*** "a"\n')), ToolUse("c2", "add", "{}"))
    results = Message("tool", (ToolResult("c1", "done"), ToolResult("c2", "5")))
    body = sent(
        output_spec=OutputSpec(tools=tools, tool_choice=ForcedTool("patch")),
        messages=(Message("user", "?"), Message("assistant", calls), results),
    )
    assert body["tools"][:2] == [
        {
            "type": "custom",
            "name": "patch",
            "description": "Changes files.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"},
        },
        {"type": "custom", "name": "say", "description": ""},
    ]
    assert body["tool_choice"] == {"type": "custom", "name": "patch"}
    assert body["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": '*** "a"\n'},
        {"type": "function_call", "call_id": "c2", "name": "add", "arguments": "{}"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
        {"type": "function_call_output", "call_id": "c2", "output": "5"},
    ]


async def test_a_custom_tools_input_comes_as_a_functions_arguments() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "patch", "input": ""}
    done = {**item, "input": '*** "a"\n'}
    end = {"type": "response.completed", "response": {"status": "completed", "output": [done]}}
    streamed = await stream(
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "*** "},
        {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": '"a"\n'},
        {"type": "response.custom_tool_call_input.done", "output_index": 0, "input": done["input"]},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        end,
    )
    whole = Wire("openai_responses", msgspec.json.encode(end["response"])).whole(call())
    assert content(streamed) == content(whole) == (ToolUse("c1", "patch", custom_arguments('*** "a"\n')),)
    assert ended(streamed).reason == ended(whole).reason == "tool_calls"


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "completed", "usage": None}, "stop"),
    ],
)
async def test_why_it_ended(last: dict[str, Any], reason: str) -> None:
    events = await stream({"type": f"response.{last['status']}", "response": last})
    assert ended(events).reason == reason


async def stream(*events: dict[str, Any] | None) -> list[Any]:
    """None: what ends streams elsewhere."""
    said = [b"[DONE]" if event is None else msgspec.json.encode(event) for event in events]
    body = b"".join(b"data: " + event + b"\n\n" for event in said)
    return joined(await Wire("openai_responses", body).stream(call()))


async def test_a_failure_in_the_middle_is_told() -> None:
    with pytest.raises(UpstreamError, match="out of memory"):
        await stream(
            {
                "type": "response.failed",
                "response": {"status": "failed", "error": {"message": "out of memory"}},
            }
        )
    with pytest.raises(UpstreamError, match="too busy"):
        await stream({"type": "error", "code": "overloaded", "message": "too busy"})
    with pytest.raises(UpstreamError, match="ended the stream in the middle"):
        await stream({"type": "response.output_text.delta", "delta": "a"})


async def test_kinds_of_items_and_events_that_nobody_knows_are_passed_over() -> None:
    events = await stream(
        {"type": "response.new_thing", "delta": {"deep": 1}, "item": {"type": 7}},
        {"type": "response.output_item.done", "output_index": 0, "item": {"type": "search", "content": 3}},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "a"},
        {"type": "response.completed", "response": {"status": "completed"}},
    )
    assert events[0] == AnswerDelta("a", 0)


THOUGHT_NAMES = ("reasoning_text", "reasoning", "reasoning_summary", "reasoning_content", "thinking")
PART = {"type": "output_text", "text": "Four."}
MESSAGE = {"type": "message", "id": "m1", "content": [PART]}
THOUGHT: dict[str, Any] = {
    "type": "reasoning",
    "id": "r1",
    "summary": [{"type": "summary_text", "text": "Two and two."}],
}
CALL = {"type": "function_call", "id": "f1", "call_id": "c1", "name": "add", "arguments": '{"a": 2}'}
COMPLETED = {
    "type": "response.completed",
    "response": {"status": "completed", "output": [THOUGHT, MESSAGE, CALL]},
}
BARE = {"type": "response.completed", "response": {"status": "completed"}}


@pytest.mark.parametrize(
    "events",
    [
        [COMPLETED],
        [
            {"type": "response.reasoning_summary_text.done", "output_index": 0, "text": "Two and two."},
            {"type": "response.output_text.done", "output_index": 1, "text": "Four."},
            {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
            {
                "type": "response.function_call_arguments.done",
                "output_index": 2,
                "arguments": CALL["arguments"],
            },
            BARE,
        ],
        [
            {"type": "response.output_item.done", "output_index": at, "item": item}
            for at, item in enumerate((THOUGHT, MESSAGE, CALL))
        ]
        + [COMPLETED],
        [
            {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning"}},
            {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": "Two and two."},
            {"type": "response.reasoning_summary_text.done", "output_index": 0, "text": "Two and two."},
            {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message"}},
            {"type": "response.output_text.delta", "output_index": 1, "delta": "Four."},
            {"type": "response.output_text.done", "output_index": 1, "text": "Four."},
            COMPLETED,
        ],
        [
            {"type": "response.output_text.delta", "output_index": 5, "delta": "Four."},
            {"type": "response.completed", "response": {"status": "completed", "output": [MESSAGE]}},
        ],
        [
            {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message"}},
            {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
            COMPLETED,
        ],
        [{"type": "response.output_text.done", "text": "Four."}, None],
        [
            {"type": "response.reasoning_summary_part.done", "part": THOUGHT["summary"][0]},
            {"type": "response.content_part.done", "output_index": 1, "part": PART},
            COMPLETED,
        ],
    ],
)
async def test_what_did_not_come_in_pieces_is_read_from_what_ends_it(events: list[Any]) -> None:
    """From the end of a part, of an item or of the response: each is told once."""
    told = await stream(*events)
    parts = content(told)
    assert answer(told) == "Four."
    said = str(events)
    assert thinking(told) == ("Two and two." if "Two and two." in said else "")
    assert [part for part in parts if isinstance(part, ToolUse)] == (
        [ToolUse("c1", "add", '{"a": 2}')] if "function_call" in said else []
    )


ITEM = {"type": "reasoning", "id": "r1"}
BEGUN = {"type": "response.output_item.added", "output_index": 0, "item": ITEM}


@pytest.mark.parametrize(
    "events",
    [
        *([{"type": f"response.{name}.delta", "output_index": 0, "delta": "hm"}] for name in THOUGHT_NAMES),
        *([{"type": f"response.{name}.done", "output_index": 0, "text": "hm"}] for name in THOUGHT_NAMES),
        *(
            [{"type": "response.content_part.done", "output_index": 0, "part": {"type": kind, "text": "hm"}}]
            for kind in ("reasoning_text", "reasoning", "thinking", "summary_text")
        ),
        [
            BEGUN,
            {"type": "response.content_part.done", "output_index": 0, "part": {"type": "text", "text": "hm"}},
        ],
        *(
            [{"type": "response.output_item.done", "output_index": 0, "item": {**ITEM, **said}}]
            for said in (
                {"content": [{"type": "reasoning_text", "text": ""}], "summary": [{"text": "hm"}]},
                {"content": "hm"},
                {"content": [{"type": "thinking", "thinking": "hm"}]},
                {"summary": ["h", "m"]},
                {"reasoning_content": "hm"},
                {"text": "hm"},
                {"type": "message", "content": [{"type": "reasoning_text", "text": "hm"}]},
            )
        ),
    ],
)
async def test_thinking_has_many_names(events: list[Any]) -> None:
    said = {"type": "response.output_text.delta", "output_index": 1, "delta": "Four."}
    told = await stream(*events, said, BARE)
    assert (thinking(told).replace("\n", ""), answer(told)) == ("hm", "Four.")


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"type": "response.completed"}, "stop"),
        ({"type": "response.done", "response": {"status": "completed"}}, "stop"),
        ({"type": "response.incomplete", "response": {}}, "length"),
    ],
)
async def test_an_event_that_ends_a_response_says_how(last: Any, reason: str) -> None:
    told = await stream({"type": "response.output_text.delta", "delta": "Four."}, last)
    assert (answer(told), ended(told).reason) == ("Four.", reason)


async def test_a_call_that_is_whole_from_its_beginning_is_told_once() -> None:
    added = {"type": "response.output_item.added", "output_index": 0, "item": CALL}
    piece = {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": CALL["arguments"]}
    done = {"type": "response.output_item.done", "output_index": 0, "item": CALL}
    for events in ([added, BARE], [added, piece, done, BARE]):
        assert content(await stream(*events)) == (ToolUse("c1", "add", '{"a": 2}'),)


async def test_the_parts_of_a_summary_are_told_apart_however_they_come() -> None:
    part = {"type": "response.reasoning_summary_text", "output_index": 0}
    told = await stream(
        {**part, "type": f"{part['type']}.delta", "summary_index": 0, "delta": "One."},
        {**part, "type": f"{part['type']}.done", "summary_index": 0, "text": "One."},
        {**part, "type": f"{part['type']}.done", "summary_index": 1, "text": "Two."},
        {"type": "response.output_text.delta", "output_index": 1, "delta": "So."},
        BARE,
    )
    assert thinking(told) == "One.\n\nTwo."


async def test_counts_that_came_early_are_kept() -> None:
    usage = {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}}
    told = await stream(
        {"type": "response.in_progress", "response": {"status": "in_progress", "usage": usage}},
        {"type": "response.output_text.delta", "delta": "a"},
        {
            "type": "response.completed",
            "response": {"status": "completed", "usage": {"input_tokens": 0, "output_tokens": 6}},
        },
    )
    assert ended(told).usage == Usage(9, 0, 3, 3)


def test_a_background_response_has_no_events_until_it_is_done() -> None:
    body = shared("wire/openai/resp-background-1-create/response.json").read_bytes()
    assert Wire("openai_responses", body).whole(call()) == []


async def test_through_the_whole_spine_a_tool_call_goes_out_and_its_thought_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    wire = Wire("openai_responses", (OWN / "tool.sse").read_bytes())
    async with wire.serving() as url:
        config = Config(providers={"openai": ProviderConfig(base_url=url)})
        async with await Runtime.open(config) as runtime:
            asked = Request(
                messages=(Message("user", "2 + 3?"),),
                model="openai/gpt-5",
                output_spec=OutputSpec(tools=(Tool(name="add"),)),
            )
            first = await runtime.solve(asked)
            result = Message("tool", (ToolResult("call_1", "5"),))
            again = (*asked.messages, Message("assistant", first.content), result)
            await runtime.solve(replace(asked, messages=again))
    assert first.stop_reason == "tool_calls"
    assert first.tool_calls == (ToolUse("call_1", "add", '{"a": 2, "b": 3}'),)
    assert first.usage == Usage(40, 16, 12, 18)
    assert [asked.path for asked in wire.asked] == ["/responses", "/responses"]
    kinds = [item.get("type") or item["role"] for item in wire.asked[1].body["input"]]
    assert kinds == ["user", "reasoning", "assistant", "function_call", "function_call_output"]
