"""What comes on the OpenAI chat wire: thinking wherever it is, tool calls however they are numbered, any counts."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from replaying import Wire, answer, call, content, ended, joined, provider_states, thinking
from shared_data import shared

from perpend.backends.contract import Call
from perpend.backends.openai_chat.events import EVENTS, TokenDetails, UpstreamUsage
from perpend.backends.openai_chat.wire import ChatDecoder
from perpend.errors import UpstreamError
from perpend.families.family import family_named
from perpend.providers.provider import Provider, Splits, providers
from perpend.types import (
    AnswerDelta,
    CallEnded,
    OutputFormat,
    OutputSpec,
    Text,
    ThinkingDelta,
    Thought,
    ToolCallDelta,
    ToolUse,
    Usage,
)

OWN = Path(__file__).parents[2] / "fixtures" / "openai_chat"


@pytest.mark.parametrize("cuts", range(4))
async def test_a_stream_cut_anywhere_says_what_its_whole_response_says(cuts: int) -> None:
    streamed = await Wire("openai_chat", (OWN / "tool.sse").read_bytes(), cuts=cuts).stream(call())
    whole = Wire("openai_chat", (OWN / "tool.json").read_bytes()).whole(call())
    said = (
        Thought("The sum needs a tool."),
        Text("Let me add – so."),
        ToolUse("call_1", "add", '{"a": 2, "b": 3}'),
    )
    assert content(streamed) == content(whole) == said
    assert streamed[-1] == whole[-1] == CallEnded("tool_calls", Usage(40, 16, 12, 18), "own-1")


def read(
    *deltas: dict[str, Any], provider: Provider | None = None, reason: str = "stop", asked: Call | None = None
) -> list[Any]:
    """The events of a stream of these deltas, one read for each."""
    decoder = ChatDecoder(asked or call(), provider or Provider(name="here"))
    events: list[Any] = []
    for delta in [*deltas, None]:
        choice: dict[str, Any] = (
            {"delta": delta} if delta is not None else {"delta": {}, "finish_reason": reason}
        )
        events += decoder.read([json.dumps({"choices": [choice]}).encode()])
    assert decoder.failure is None
    return joined([*events, *decoder.rest(), decoder.ended("here")])


@given(st.data())
def test_tags_that_a_server_left_in_are_found_wherever_they_are_cut(data: st.DataObject) -> None:
    text = "<think>\nTwo and two.\n</think>\n\nIt is 4, 1 < 2."
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    events = read(*({"content": piece} for piece in pieces))
    assert (thinking(events), answer(events)) == ("Two and two.", "It is 4, 1 < 2.")


UNTOLD = Provider(name="here", splits="if_told")
"""A server that takes thoughts out of the text only where it was started so."""


@given(st.data())
def test_a_stray_close_tag_splits_streamed_and_whole_alike(data: st.DataObject) -> None:
    text = "Two and two.\n</think>\n\nIt is 4."
    cuts = sorted(data.draw(st.sets(st.integers(1, len(text) - 1))))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    body = json.dumps({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).encode()
    for family, said in (
        ("qwq", ("Two and two.", "It is 4.")),
        ("qwen3", ("", text)),
    ):  # as the family's row says
        asked = call(family_named(family), thinking_tokens=9)
        streamed = read(*({"content": piece} for piece in pieces), provider=UNTOLD, asked=asked)
        whole = ChatDecoder(asked, UNTOLD).whole(body)
        assert (thinking(streamed), answer(streamed)) == (thinking(whole), answer(whole)) == said


def test_a_text_that_was_held_to_a_format_holds_no_thought() -> None:
    output_spec = OutputSpec(output=OutputFormat(schema={"type": "object"}))
    asked = call(family_named("qwq"), phase="answering", output_spec=output_spec)
    assert answer(read({"content": '{"a": 1}'}, provider=providers()["tgi"], asked=asked)) == '{"a": 1}'


@pytest.mark.parametrize(("row", "said"), [("llama-cpp-python", ("so", "4")), ("tgi", ("", "so</think>4"))])
def test_a_thought_that_no_knob_switches_off_is_one(row: str, said: tuple[str, str]) -> None:
    """TGI's template is told not to think, and its text begins with the answer."""
    asked = call(family_named("deepseek"), thinking_tokens=0)
    events = read({"content": "so</think>4"}, provider=providers()[row], asked=asked)
    assert (thinking(events), answer(events)) == said


def test_text_beside_thinking_in_its_own_field_is_not_held() -> None:
    learned: list[Splits] = []
    decoder = ChatDecoder(call(family_named("qwq"), thinking_tokens=9), UNTOLD, learned.append)
    decoder.read([b'{"choices": [{"delta": {"reasoning": "so"}}]}'])
    (said,) = decoder.read([b'{"choices": [{"delta": {"content": "It is"}}]}'])
    assert (said, learned) == (AnswerDelta("It is", 0), ["always"])


async def test_what_one_answer_shows_of_its_server_holds_for_the_next() -> None:
    """Its thought comes as it is written: it can be watched, and cut at its budget."""
    lines = [f'{{"choices": [{{"delta": {{"content": "{word}"}}}}]}}' for word in ("so", "</think>", "4")]
    lines.append('{"choices": [{"delta": {}, "finish_reason": "stop"}]}')
    wire = Wire("openai_chat", "".join(f"data: {line}\n\n" for line in lines).encode(), provider=UNTOLD)
    asked = call(family_named("qwq"), thinking_tokens=9)
    assert (await wire.stream(asked))[0] == (await wire.stream(asked, asked))[0] == ThinkingDelta("so", 0)
    learned: list[Splits] = []
    ChatDecoder(asked, UNTOLD, learned.append).whole(
        b'{"choices": [{"message": {"content": "so</think>4"}, "finish_reason": "stop"}]}'
    )
    assert learned == ["never"]
    known = ChatDecoder(asked, replace(UNTOLD, splits=learned[0]))
    assert known.read([b'{"choices": [{"delta": {"content": "so it"}}]}']) == [ThinkingDelta("so it", 0)]


@pytest.mark.parametrize("text", ["a <think> b", "<b>bold</b>", "  x", "<thin", "<", " "])
def test_other_text_is_answer(text: str) -> None:
    assert answer(read({"content": text})) == text
    assert answer(read(*({"content": letter} for letter in text))) == text


def test_a_tag_after_thinking_in_a_field_is_text() -> None:
    events = read({"reasoning": "hm"}, {"content": "<think> is a tag"})
    assert (thinking(events), answer(events)) == ("hm", "<think> is a tag")


SUMMARY = [{"type": "summary_text", "text": "h"}, {"type": "summary_text", "text": "m"}]


@pytest.mark.parametrize(
    "delta",
    [
        *({name: "hm"} for name in ("reasoning_content", "reasoning", "reasoning_text", "thinking")),
        {"reasoning_content": [{"type": "text", "text": "hm"}]},
        {"reasoning": {"text": "hm"}},
        {"content": [{"type": "reasoning", "summary": SUMMARY}]},
        {"content": [{"type": "reasoning", "reasoning": "hm"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        {"content": [{"type": "reasoning_text", "text": "hm"}]},
        {"content": {"type": "reasoning", "summary": SUMMARY}},
        {"content": [{"type": "reasoning", "content": SUMMARY}]},
        {"content": [{"type": "reasoning_content", "reasoning_content": {"text": "hm"}}]},
        {"summary": SUMMARY},
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": SUMMARY}]},
        {"reasoning": "hm", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
    ],
)
def test_thinking_has_many_names(delta: dict[str, Any]) -> None:
    told = read(delta, {"content": [{"type": "output_text", "text": "4"}]})
    assert (thinking(told), answer(told)) == ("hm", "4")
    message = {"reasoning_content": None, **delta}
    if "content" not in delta:
        message["content"] = "4"
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode()
    assert thinking(ChatDecoder(call(thinking_tokens=9), Provider(name="here")).whole(body)) == "hm"


def test_where_the_open_tag_is_in_the_prompt_text_begins_with_thinking() -> None:
    decoder = ChatDecoder(call(family_named("qwen3-thinking"), thinking_tokens=9), providers()["mlc-llm"])
    batch = decoder.read(
        [b'{"choices":[{"delta":{"content":"so\\n</think>\\n\\n4"},"finish_reason":"stop"}]}']
    )
    events = [*batch, *decoder.rest(), decoder.ended("here")]
    assert (thinking(events), answer(events)) == ("so", "4")


@pytest.mark.parametrize(
    "pieces",
    [
        [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
            {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}},
        ],
        [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
            {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}},
        ],
        [
            {"id": "a", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "function": {"name": "g", "arguments": {}}},
        ],
        [
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}},
            {"index": 0, "id": "a", "function": {"name": "f", "arguments": "}"}},
            {"index": 1, "id": "b", "function": {"name": "g"}},
            {"index": 1, "function": {"arguments": "{}"}},
        ],
        [
            {"id": "a", "function": {"name": "f", "arguments": "{"}},
            {"function": {"arguments": "}"}},
            {"id": "b", "function": {"name": "g", "arguments": "{}"}},
        ],
    ],
)
def test_tool_calls_are_told_apart_however_they_are_numbered(pieces: list[dict[str, Any]]) -> None:
    events = read(*({"tool_calls": [piece]} for piece in pieces))
    assert content(events) == (ToolUse("a", "f", "{}"), ToolUse("b", "g", "{}"))
    assert ended(events).reason == "tool_calls", "though the server said stop"


def test_a_call_without_an_id_gets_one() -> None:
    (use,) = content(
        read({"tool_calls": [{"index": 0, "id": "", "function": {"name": "f", "arguments": "{}"}}]})
    )
    assert isinstance(use, ToolUse)
    assert use.id.startswith("call_")


def test_a_refusal_is_an_answer_that_the_vendor_filtered() -> None:
    events = read({"refusal": "I can't."})
    assert (answer(events), ended(events).reason) == ("I can't.", "content_filter")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("length", "length"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
        ("eos", "stop"),
    ],
)
def test_why_it_ended(word: str, reason: str) -> None:
    assert ended(read({"content": "a"}, reason=word)).reason == reason


def test_openrouters_details_are_carried_whole() -> None:
    body = shared("wire/openrouter/chat-claude-stream/response.sse").read_bytes()
    events = Wire("openai_chat", body, provider="openrouter")
    decoder = ChatDecoder(call(), providers()["openrouter"])
    payloads = [line[6:] for line in body.splitlines() if line.startswith(b"data: ")]
    said = [*decoder.read(payloads), *decoder.rest(), decoder.ended("here")]
    (data,) = provider_states(said)
    (detail,) = msgspec.json.decode(data)
    assert detail["text"] == thinking(said)
    assert detail["signature"].startswith("Et0B")
    assert events


@pytest.mark.parametrize(
    "error", ["", {}, [], 0, False, None, {"message": ""}, {"code": None, "message": None}]
)
def test_an_error_with_nothing_in_it_is_none(error: Any) -> None:
    decoder = ChatDecoder(call(), Provider(name="here"))
    decoder.read([json.dumps({"choices": [{"delta": {"content": "4"}}], "error": error}).encode()])
    assert decoder.failure is None


@pytest.mark.parametrize("word", [None, "", " ", "null", "None"])
def test_what_says_nothing_of_an_end_is_none(word: str | None) -> None:
    """The stream's last event is one, where it says that it is."""
    choice = {"delta": {"content": "4"}, "finish_reason": word}
    decoder = ChatDecoder(call(), Provider(name="here"))
    decoder.read([json.dumps({"choices": [choice]}).encode()])
    assert decoder.end() is None
    decoder.read([b"[DONE]"])
    assert ended([decoder.ended("here")]).reason == "stop"


def test_a_message_in_the_place_of_a_delta_is_read_once() -> None:
    decoder = ChatDecoder(call(), Provider(name="here"))
    last = b'{"choices": [{"message": {"content": "42"}, "finish_reason": "stop"}]}'
    assert answer(decoder.read([last])) == "42"
    decoder = ChatDecoder(call(), Provider(name="here"))
    assert answer(decoder.read([b'{"choices": [{"delta": {"content": "42"}}]}', last])) == "42"


def test_an_end_alone_is_no_answer() -> None:
    decoder = ChatDecoder(call(), Provider(name="here"))
    decoder.read([b"[DONE]"])
    assert decoder.end() is None


def test_what_a_server_said_beside_its_events_is_told_where_it_broke_off() -> None:
    decoder = ChatDecoder(call(), Provider(name="here"))
    for aside in (b'{"message": "still here"}', b"upstream connect error"):
        assert answer(decoder.read([b'{"choices": [{"delta": {"content": "4"}}]}', aside])) == "4"
        with pytest.raises(UpstreamError, match=r"in the middle: (still here|upstream connect error)"):
            decoder.ended("here")


@pytest.mark.parametrize(
    ("usage", "inside", "counts"),
    [
        (UpstreamUsage(9, 10, TokenDetails(11)), True, Usage(9, 0, 10, 0)),
        (
            UpstreamUsage(12, 2, TokenDetails(340), TokenDetails(cached_tokens=11)),
            False,
            Usage(12, 11, 340, 2),
        ),
        (UpstreamUsage(15, 33, reasoning_tokens=21), True, Usage(15, 0, 21, 12)),
        (UpstreamUsage(20, 30, cached_tokens=10), True, Usage(20, 10, 0, 30)),
        (UpstreamUsage(20, 30, prompt_cache_hit_tokens=10), True, Usage(20, 10, 0, 30)),
        (UpstreamUsage(), True, Usage()),
    ],
)
def test_counts(usage: UpstreamUsage, inside: bool, counts: Usage) -> None:
    assert usage.counts(inside) == counts


def test_fields_that_nobody_knows_never_fail() -> None:
    event = EVENTS.single.decode(
        b'{"choices":[{"delta":{"content":null,"audio":{"x":[1]}},"new":3}],"service":{}}'
    )
    assert event.choices is not None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "no such model", "code": 404}}', "no such model"),
        (b'{"error": "no"}', "no"),
        (b'{"object": "error", "message": "bad", "code": 400}', "bad"),
        (b'{"detail": "no such adapter"}', "no such adapter"),
        (b'{"error": {"code": 7}}', "7"),
        (b'{"choices": []}', "no choice"),
        (b"<html>", "can't be read"),
    ],
)
def test_a_whole_response_that_is_none_is_an_error(body: bytes, said: str) -> None:
    with pytest.raises(UpstreamError, match=said):
        Wire("openai_chat", body).whole(call())


async def test_the_running_count_of_llama_cpp_counts_thinking() -> None:
    """Its usage doesn't, and texts of one length have any number of tokens."""
    lines = [
        '{"choices": [{"delta": {"reasoning_content": "7+5"}}], "timings": {"predicted_n": 3}}',
        '{"choices": [{"delta": {"content": "2"}}], "timings": {"predicted_n": 6}}',
        '{"choices": [{"delta": {}, "finish_reason": "stop"}]}',
        '{"choices": [], "usage": {"prompt_tokens": 29, "completion_tokens": 7}, "timings": {"predicted_n": 7}}',
    ]
    events = await Wire("openai_chat", "".join(f"data: {line}\n\n" for line in lines).encode()).stream(call())
    assert ended(events).usage == Usage(29, 0, 3, 4)


def test_a_call_may_be_the_only_one_that_a_server_knows() -> None:
    pieces = [{"function_call": {"name": "f", "arguments": text}} for text in ('{"a": ', "1}")]
    (told,) = [event for event in joined(read(*pieces)) if isinstance(event, ToolCallDelta)]
    assert (told.name, told.arguments) == ("f", '{"a": 1}')


def test_a_refusal_after_a_thought_is_the_answer() -> None:
    asked = call(family_named("qwen3"), thinking_tokens=0, effort="none")
    told = read({"reasoning": "hm"}, {"refusal": "No."}, provider=providers()["vllm"], asked=asked)
    assert (thinking(told), answer(told)) == ("hm", "No.")
