"""Streamed and whole responses of one request agree field by field, whatever the events were."""

from typing import Any

import msgspec
from histories import histories
from hypothesis import given
from hypothesis import strategies as st
from scripted import STARTED, answer, named_events_of

from perpend.config.schema import Config
from perpend.errors import UpstreamError
from perpend.serving.dialects.openai_responses_answer import response
from perpend.serving.dialects.openai_responses_request import ResponsesParsed, decode_fields, parse_fields
from perpend.serving.dialects.openai_responses_stream import ResponseStream
from perpend.serving.dialects.report import encode
from perpend.serving.fields import Ignored
from perpend.serving.sse import KEEP_ALIVE
from perpend.types import (
    AnswerDelta,
    Event,
    Finished,
    ThinkingDelta,
    ToolCallDelta,
    ToolUse,
    Visibility,
    custom_arguments,
)

TOOLS: tuple[dict[str, Any], ...] = (
    {"type": "function", "name": "add"},
    {"type": "custom", "name": "add"},
    {"type": "namespace", "name": "functions", "tools": [{"type": "custom", "name": "add"}]},
)


def asked(visibility: Visibility = "visible", *tools: dict[str, Any]) -> ResponsesParsed:
    body = {"input": "hi", "thinking_visibility": visibility, "metadata": {"a": "b"}, "tools": tools}
    ignored = Ignored(strict=False)
    return parse_fields(decode_fields(msgspec.json.encode(body), ignored), (), Config(), None, ignored)


def assembled(stream: bytes) -> dict[str, Any]:
    """The last event's response, once its output was put together from the events before it."""
    created, in_progress, *events, last = named_events_of(stream)
    assert [created["type"], in_progress["type"]] == ["response.created", "response.in_progress"]
    numbers = [event["sequence_number"] for event in (created, in_progress, *events, last)]
    assert numbers == list(range(len(numbers)))
    output: list[Any] = []
    texts: dict[int, str] = {}
    for event in events:
        at, kind = event["output_index"], event["type"]
        if kind == "response.output_item.added":
            assert at == len(output)
            output.append(event["item"])
            texts[at] = ""
            continue
        if kind == "response.output_item.done":
            assert event["item"].get("status", "completed") == "completed"
            assert output[at].get("status", "in_progress") == "in_progress"
            for name, value in output[at].items():
                assert event["item"][name] == value or name in ("status", "arguments", "input")
            output[at] = event["item"]
            continue
        assert event["item_id"] == output[at]["id"]
        if kind.endswith(".delta"):
            texts[at] += event["delta"]
        elif kind.endswith("_part.added"):
            name = "summary" if "summary" in kind else "content"
            output[at].setdefault(name, [])
            output[at][name] = [*output[at][name], event["part"]]
        elif kind.endswith("_part.done"):
            (part,) = output[at]["summary" if "summary" in kind else "content"]
            part |= {"text": texts[at]}
            assert event["part"] == part
        else:
            (text,) = (event[name] for name in ("text", "arguments", "input") if name in event)
            assert text == texts[at]
    assert last["response"]["output"] == output
    assert last["type"] == f"response.{last['response']['status']}"
    return last["response"]


@given(histories(), st.sampled_from(["visible", "summary", "hidden"]), st.sampled_from(TOOLS))
def test_streamed_and_whole_agree(
    batches: list[list[Event]], visibility: Visibility, tool: dict[str, Any]
) -> None:
    end = batches[-1][0]
    assert isinstance(end, Finished)
    request = asked(visibility, tool)
    stream = ResponseStream(request)
    sent = b"".join(stream.render(batch) for batch in batches)
    assert stream.done
    assert assembled(sent) == msgspec.json.decode(encode(response(end.answer, request)))


def test_a_custom_tool_s_input_streams_as_it_comes() -> None:
    stream = ResponseStream(asked("visible", TOOLS[2]))
    pieces = [STARTED, ToolCallDelta(0, "c1", "add", '{"inp'), ToolCallDelta(0, arguments='ut":"*** B')]
    _, _, added, delta = named_events_of(stream.render(pieces))
    called = {"call_id": "c1", "name": "add", "namespace": "functions", "input": ""}
    assert added["item"] | called | {"type": "custom_tool_call", "status": "in_progress"} == added["item"]
    assert added["item"]["id"].startswith("ctc_")
    assert (delta["type"], delta["delta"]) == ("response.custom_tool_call_input.delta", "*** B")
    end = answer(stop="tool_calls", content=(ToolUse("c1", "add", custom_arguments("*** Begin")),))
    more, done, item, _ = named_events_of(
        stream.render([ToolCallDelta(0, arguments='egin"}'), Finished(end)])
    )
    assert (more["delta"], done["type"]) == ("egin", "response.custom_tool_call_input.done")
    assert done["input"] == item["item"]["input"] == "*** Begin"


def test_a_search_for_tools_is_the_client_s_to_run() -> None:
    search = {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}}
    request = asked("visible", search)
    use = ToolUse("c1", "tool_search", '{"query":"mail"}')
    (item,) = msgspec.json.decode(encode(response(answer(content=(use,)), request)))["output"]
    del item["id"]
    assert item == {
        "type": "tool_search_call",
        "call_id": "c1",
        "execution": "client",
        "arguments": {"query": "mail"},
        "status": "completed",
    }
    stream = ResponseStream(request)
    stream.render([STARTED, ToolCallDelta(0, "c1", "tool_search", use.arguments)])
    done, _ = named_events_of(stream.render([Finished(answer(content=(use,)))]))
    assert done["item"] | item == done["item"]


def test_an_answer_that_filled_its_budget_is_incomplete() -> None:
    body = msgspec.json.decode(encode(response(answer(stop="answer_tokens"), asked())))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response(answer(stop="deadline"), asked()).status == "incomplete"


def test_an_error_in_the_middle_is_a_failed_response() -> None:
    stream = ResponseStream(asked())
    stream.render([STARTED, ThinkingDelta("hm")])
    told, failed = named_events_of(stream.fail(UpstreamError("the provider hung up", hint="try again")))
    assert (told["type"], told["error"]["hint"], told["message"]) == (
        "error",
        "try again",
        "the provider hung up",
    )
    assert told["sequence_number"] + 1 == failed["sequence_number"]
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {
        "code": "server_error",
        "message": "the provider hung up",
        "type": "upstream_error",
        "param": None,
        "hint": "try again",
    }
    assert stream.done


def test_a_silent_stream_is_kept_alive_by_events_that_clients_count() -> None:
    stream = ResponseStream(asked())
    assert stream.keep_alive == KEEP_ALIVE
    stream.render([STARTED])
    data = (
        stream.keep_alive + stream.keep_alive + stream.render([AnswerDelta("42"), Finished(answer("42", ""))])
    )
    events = named_events_of(data)
    assert [event["type"] for event in events[:4]] == [
        *("response.created", "response.in_progress", "response.in_progress", "response.output_item.added"),
    ]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
