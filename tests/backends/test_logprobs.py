"""Log-probabilities of the answer's tokens, from every wire that tells them, and only where they were asked for."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from replaying import Wire, call

from perpend.backends import CallEvent
from perpend.families.family import family_named
from perpend.types import AnswerDelta, AnswerLogprobs, Sampling, ThinkingDelta, TokenLogprob

TWO = {"token": "4", "logprob": -0.1, "bytes": [52]}
SIX = {"token": "6", "logprob": -2.5, "bytes": [54]}
POSITION = {**TWO, "top_logprobs": [TWO, SIX]}
TOLD = {"content": [POSITION]}


def sse(*events: Mapping[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % msgspec.json.encode(event) for event in events)


def chunk(delta: Mapping[str, Any], finish: str | None = None, logprobs: Any = TOLD) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}]}


CHAT = sse(chunk({"reasoning_content": "hm"}), chunk({"content": "4"}), chunk({}, "stop", None))
LLAMA = sse(
    {"content": "4", "tokens_predicted": 1, "completion_probabilities": [{**POSITION, "id": 1}]},
    {"content": "", "stop": True, "tokens_predicted": 1, "tokens_evaluated": 3},
)
COMPLETION = sse(
    {
        "choices": [
            {
                "text": "4",
                "finish_reason": "stop",
                "logprobs": {
                    "tokens": ["4"],
                    "token_logprobs": [-0.1],
                    "top_logprobs": [{"4": -0.1, "6": -2.5}],
                },
            }
        ]
    }
)
RESPONSES = sse(
    {"type": "response.output_text.delta", "delta": "4", "logprobs": [POSITION]},
    {"type": "response.completed", "response": {"status": "completed"}},
)
BODIES = {
    "openai_chat": CHAT,
    "llama_completion": LLAMA,
    "raw_completion": COMPLETION,
    "openai_responses": RESPONSES,
}
ASKED = [wire for wire in BODIES if wire != "openai_responses"]
"""Whose events are cut to what was asked for: those of responses have what was asked for, and no more."""


async def heard(wire: str, most: int | None, **changes: Any) -> list[CallEvent]:
    asked = call(family_named("tiny"), phase="answering", sampling=Sampling(logprobs=most), **changes)
    return await Wire(wire, BODIES[wire]).stream(asked)


def first_logprobs(events: list[CallEvent]) -> list[TokenLogprob]:
    return [token for event in events if isinstance(event, AnswerLogprobs) for token in event.tokens]


@pytest.mark.parametrize("wire", BODIES)
async def test_each_token_of_the_answer_has_them(wire: str) -> None:
    (token,) = first_logprobs(await heard(wire, 2))
    assert (token.token, token.logprob) == ("4", -0.1)
    assert [(one.token, one.logprob) for one in token.top_logprobs] == [("4", -0.1), ("6", -2.5)]


@pytest.mark.parametrize("wire", ASKED)
async def test_no_more_alternatives_than_were_asked_for(wire: str) -> None:
    (token,) = first_logprobs(await heard(wire, 0))
    assert token.top_logprobs == ()


@pytest.mark.parametrize("wire", ASKED)
async def test_nothing_is_told_unasked(wire: str) -> None:
    assert first_logprobs(await heard(wire, None)) == []


@pytest.mark.parametrize("wire", BODIES)
async def test_they_follow_their_text(wire: str) -> None:
    kinds = [type(event) for event in await heard(wire, 1) if not isinstance(event, ThinkingDelta)]
    assert kinds[:2] == [AnswerDelta, AnswerLogprobs]


async def test_those_of_a_thought_in_the_text_are_told_to_nobody() -> None:
    body = sse(
        chunk({"content": "<think>"}),
        chunk({"content": "hm"}),
        chunk({"content": "</think>"}),
        chunk({"content": "4"}),
        chunk({}, "stop", None),
    )
    asked = call(family_named("tagged"), sampling=Sampling(logprobs=0), thinking_tokens=100)
    assert len(first_logprobs(await Wire("openai_chat", body).stream(asked))) == 1


def position(token: str) -> dict[str, Any]:
    return {**POSITION, "token": token}


def texts(wire: str, pieces: list[str]) -> bytes:
    """Each with its one token."""
    if wire == "openai_chat":
        events = [chunk({"content": one}, None, {"content": [position(one)]}) for one in pieces]
        return sse(*events, chunk({}, "stop", None))
    if wire == "llama_completion":
        events = [{"content": one, "completion_probabilities": [position(one)]} for one in pieces]
        return sse(*events, {"content": "", "stop": True})
    if wire == "raw_completion":
        rows: list[Any] = [
            {"tokens": [one], "token_logprobs": [-0.1], "top_logprobs": [{}]} for one in pieces
        ]
        events = [
            {"choices": [{"text": one, "logprobs": row}]} for one, row in zip(pieces, rows, strict=True)
        ]
        return sse(*events, {"choices": [{"text": "", "finish_reason": "stop"}]})
    kind = "response.output_text.delta"
    events = [{"type": kind, "delta": one, "logprobs": [position(one)]} for one in pieces]
    return sse(*events, {"type": "response.completed", "response": {"status": "completed"}})


@pytest.mark.parametrize(
    "pieces",
    [
        ["4", "<think>", "SECRET", " SECRET", "</think>", "2"],
        ["4", " ", "<think>", " SECRET", " </think>", " 2"],
        ["4", " <think> SECRET", " </think> two"],
        ["4", " <think>SECRET</think> Two"],
    ],
)
@pytest.mark.parametrize("wire", BODIES)
async def test_those_of_a_thought_within_the_answer_are_told_to_nobody(wire: str, pieces: list[str]) -> None:
    asked = call(family_named("tiny"), phase="answering", sampling=Sampling(logprobs=0))
    told = first_logprobs(await Wire(wire, texts(wire, pieces)).stream(asked))
    assert not any("SECRET" in token.token for token in told)
    assert told[0].token == "4"


@pytest.mark.parametrize("wire", BODIES)
async def test_those_of_a_tag_that_was_text_follow_it(wire: str) -> None:
    asked = call(family_named("tiny"), phase="answering", sampling=Sampling(logprobs=0))
    pieces = ["Hi", " <think>", " is", " a", " <", "tag"]
    assert [
        token.token for token in first_logprobs(await Wire(wire, texts(wire, pieces)).stream(asked))
    ] == pieces
