"""Streamed and whole answers of one request agree field by field, whatever the events were."""

import msgspec
import pytest
from histories import histories
from hypothesis import given
from hypothesis import strategies as st
from scripted import STARTED, answer, assembled, events_of

from perpend.errors import UpstreamError
from perpend.serving.dialects.openai_chat_answer import completion_body
from perpend.serving.dialects.openai_chat_stream import ChatStream
from perpend.types import (
    AnswerDelta,
    Event,
    Finished,
    Progress,
    SummaryDelta,
    ThinkingDelta,
    Visibility,
)


@given(histories(), st.sampled_from(["visible", "summary", "hidden"]), st.booleans(), st.booleans())
def test_streamed_and_whole_agree(
    batches: list[list[Event]], visibility: Visibility, usage: bool, free: bool
) -> None:
    custom = frozenset(["add"] if free else [])
    stream = ChatStream(visibility, usage, custom=custom)
    sent = b"".join(stream.render(batch) for batch in batches)
    assert stream.done
    end = batches[-1][0]
    assert isinstance(end, Finished)
    whole = msgspec.json.decode(completion_body(end.answer, visibility, custom=custom))
    assert whole.pop("object") == "chat.completion"
    assert isinstance(whole.pop("created"), int)
    assert assembled(sent) == whole


def render(*batches: list[Event], visibility: Visibility = "visible", include_usage: bool = False) -> bytes:
    stream = ChatStream(visibility, include_usage)
    return b"".join(stream.render(batch) for batch in batches)


def test_nothing_is_sent_before_there_is_something_to_say() -> None:
    stream = ChatStream("hidden", False)
    assert stream.render([STARTED]) == b""
    assert stream.render([ThinkingDelta("secret")]) == b""
    first = events_of(stream.render([AnswerDelta("4")]))
    assert [chunk["choices"][0]["delta"] for chunk in first] == [
        {"role": "assistant", "content": ""},
        {"content": "4"},
    ]


def test_the_last_chunk_has_choices_unless_the_client_asked_for_usage() -> None:
    """Clients that read `choices[0]` of every chunk go on working."""
    end: list[Event] = [Finished(answer())]
    plain = events_of(render([STARTED], end))
    assert all(chunk["choices"] for chunk in plain[:-1])
    assert plain[-2]["perpend"]["request_id"] == "req_1"
    asked = events_of(render([STARTED], end, include_usage=True))
    assert asked[-2]["choices"] == []
    assert asked[-2]["usage"]["total_tokens"] == 9 + 5 + 2
    assert all(chunk["usage"] is None for chunk in asked[:-2])


def test_progress_is_a_comment() -> None:
    progress = Progress("thinking", 12, 64, 0, 2.5, answer().cost_usd)
    line = render([STARTED], [progress]).decode().split("\n\n")[1]
    kind, _, body = line.removeprefix(": ").partition(" ")
    assert kind == "progress"
    assert msgspec.json.decode(body) == {
        "type": "progress",
        "phase": "thinking",
        "thinking_tokens": 12,
        "thinking_budget": 64,
        "answer_tokens": 0,
        "eta_s": 2.5,
        "cost_usd": 0.000123,
        "candidates": [],
    }


@pytest.mark.parametrize("visibility", ["hidden", "summary"])
def test_thinking_never_leaves_when_it_is_not_visible(visibility: Visibility) -> None:
    sent = render(
        [STARTED, ThinkingDelta("secret"), SummaryDelta("a line\n")],
        [Finished(answer(thinking="secret", summary="a line\n"))],
        visibility=visibility,
    )
    assert b"secret" not in sent
    assert (b"a line" in sent) == (visibility == "summary")


def test_an_error_in_the_middle_ends_the_stream() -> None:
    stream = ChatStream("visible", False)
    stream.render([STARTED, AnswerDelta("4")])
    error, done = events_of(stream.fail(UpstreamError("the provider hung up", hint="try again")))
    assert error["error"]["code"] == "upstream_error"
    assert error["error"]["hint"] == "try again"
    assert done == "[DONE]"
    assert stream.done
