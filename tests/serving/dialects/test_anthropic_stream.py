"""Streamed and whole Anthropic messages of one request agree field by field, whatever the events were."""

from typing import Any

import msgspec
from histories import histories
from hypothesis import given
from hypothesis import strategies as st
from scripted import STARTED, answer, named_events_of

from perpend.errors import UpstreamError
from perpend.serving.dialects.anthropic_answer import message_body
from perpend.serving.dialects.anthropic_request import MessagesParsed
from perpend.serving.dialects.anthropic_stream import MessageStream
from perpend.types import (
    Event,
    Finished,
    Message,
    ProviderState,
    ProviderStateDelta,
    Request,
    Sampling,
    SummaryDelta,
    ThinkingDelta,
    Thought,
    Visibility,
)

ASKED = Request(messages=(Message("user", "hi"),), sampling=Sampling(stop=("END",)))


def asked(visibility: Visibility, thoughts: bool = True) -> MessagesParsed:
    request = msgspec.structs.replace(ASKED, visibility=visibility)
    return MessagesParsed(request, stream=True, thoughts=thoughts)


def render(*batches: list[Event], visibility: Visibility = "visible", thoughts: bool = True) -> bytes:
    stream = MessageStream(asked(visibility, thoughts))
    return b"".join(stream.render(batch) for batch in batches)


def assembled(stream: bytes) -> dict[str, Any]:
    """What a client puts together, event by event, as Anthropic's documentation has it."""
    first, *events, stop = named_events_of(stream)
    assert (first["type"], stop) == ("message_start", {"type": "message_stop"})
    message = first["message"]
    open_blocks: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append(event["content_block"])
            open_blocks[event["index"]] = ""
        elif event["type"] == "content_block_delta":
            block, delta = message["content"][event["index"]], event["delta"]
            kind = delta.pop("type")
            ((name, text),) = delta.items()
            if kind == "input_json_delta":
                open_blocks[event["index"]] += text
            else:
                assert kind == f"{name}_delta"
                block[name] += text
        elif event["type"] == "content_block_stop":
            arguments = open_blocks.pop(event["index"])
            if arguments:
                message["content"][event["index"]]["input"] = msgspec.json.decode(arguments)
        else:
            assert event["type"] == "message_delta"
            message |= event["delta"] | {"usage": event["usage"], "perpend": event["perpend"]}
    assert not open_blocks
    return message


@given(histories(), st.sampled_from(["visible", "summary", "hidden"]), st.booleans())
def test_streamed_and_whole_agree(batches: list[list[Event]], visibility: Visibility, wanted: bool) -> None:
    thoughts = wanted or visibility != "hidden"
    end = batches[-1][0]
    assert isinstance(end, Finished)
    whole = msgspec.json.decode(message_body(end.answer, asked(visibility, thoughts)))
    assert assembled(render(*batches, visibility=visibility, thoughts=thoughts)) == whole


def test_thinking_never_leaves_when_it_is_not_visible() -> None:
    thought = Thought("secret", ProviderState("v", "opaque"))
    end = answer(thinking="secret", summary="a line\n", content=(thought,))
    batches: list[list[Event]] = [
        [
            STARTED,
            ThinkingDelta("secret"),
            ProviderStateDelta(ProviderState("v", "opaque")),
            SummaryDelta("a line\n"),
        ],
        [Finished(end)],
    ]
    for visibility in ("hidden", "summary"):
        message = assembled(render(*batches, visibility=visibility))
        assert "secret" not in str(message["content"])
        kinds = [block["type"] for block in message["content"]]
        assert kinds == (["thinking"] if visibility == "summary" else ["redacted_thinking"])
    nothing = assembled(render(*batches, visibility="hidden", thoughts=False))
    assert nothing["content"] == []
    assert assembled(render([STARTED], [Finished(answer())], visibility="hidden"))["content"] == [
        {"type": "text", "text": "42"}
    ]


def test_an_error_in_the_middle_is_an_error_event() -> None:
    stream = MessageStream(asked("visible"))
    stream.render([STARTED, ThinkingDelta("hm")])
    (error,) = named_events_of(stream.fail(UpstreamError("the provider hung up", hint="try again")))
    assert error["error"]["type"] == "api_error"
    assert error["error"]["hint"] == "try again"
    assert stream.done
