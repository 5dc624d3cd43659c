"""Thoughts are told apart from answers on every wire alike, streamed and whole, wherever a server left them."""

import json
from typing import Any

import pytest
from replaying import Wire, answer, call, ended, joined, thinking
from wire_speech import WIRES, Pieces, stream_of

from perpend.backends.contract import Call, CallEvent
from perpend.backends.speech import Speech
from perpend.errors import UpstreamError
from perpend.families.family import family_of
from perpend.providers.provider import Provider, providers
from perpend.types import AnswerDelta

THINKS = call(family_of("qwen3-8b"), thinking_tokens=99, effort="medium")


async def events(
    wire: str, pieces: Pieces, *, whole: bool, asked: Call = THINKS, at: str | Provider = "here"
) -> list[CallEvent]:
    bodies = [json.dumps(event).encode() for event in WIRES[wire](pieces, whole=whole)]
    if whole:
        return joined(Wire(wire, bodies[0], provider=at).whole(asked))
    return joined(await Wire(wire, stream_of(wire, bodies), provider=at).stream(asked))


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("pieces", "thought", "text"),
    [
        ([("text", "<think>\nT"), ("text", "\n</think>\n\nHi")], "T", "Hi"),
        ([("thought", "T"), ("text", "</think>\n\nHi")], "T", "Hi"),
        ([("thought", "T"), ("text", "\n</thi"), ("text", "nk>"), ("text", "\nHi")], "T", "Hi"),
        (
            [
                (
                    "text",
                    "<|channel|>analysis<|message|>T<|end|><|start|>assistant<|channel|>final<|message|>Hi",
                )
            ],
            "T",
            "Hi",
        ),
        ([("thought", "T"), ("text", "Hi <think> is a tag")], "T", "Hi <think> is a tag"),
        ([("text", "Hi")], "", "Hi"),
    ],
)
async def test_tags_and_channels(wire: str, whole: bool, pieces: Pieces, thought: str, text: str) -> None:
    told = await events(wire, pieces, whole=whole)
    assert (thinking(told), answer(told)) == (thought, text)


@pytest.mark.parametrize("wire", WIRES)
async def test_one_body_in_the_place_of_a_stream_is_read(wire: str) -> None:
    (body,) = WIRES[wire]([("thought", "T"), ("text", "Hi")], whole=True)
    for indent in (None, 1):
        told = joined(await Wire(wire, json.dumps(body, indent=indent).encode()).stream(THINKS))
        assert (thinking(told), answer(told), ended(told).reason) == ("T", "Hi", "stop")


@pytest.mark.parametrize("cuts", [0, 7])
@pytest.mark.parametrize("wire", WIRES)
async def test_lines_of_json_in_the_place_of_events_are_read(wire: str, cuts: int) -> None:
    rows = WIRES[wire]([("thought", "T"), ("text", "Hi "), ("text", "you")], whole=False)
    body = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    told = joined(await Wire(wire, body, cuts=cuts).stream(THINKS))
    assert (thinking(told), answer(told), ended(told).reason) == ("T", "Hi you", "stop")


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("body", [{"detail": "no such adapter"}, {"message": "no such adapter"}])
async def test_an_error_in_the_place_of_a_stream_is_told(wire: str, body: Any) -> None:
    with pytest.raises(UpstreamError, match="no such adapter"):
        await Wire(wire, json.dumps(body).encode()).stream(THINKS)


@pytest.mark.parametrize("said", [{}, [], 0, "", None])
@pytest.mark.parametrize("wire", WIRES)
async def test_an_error_with_nothing_in_it_is_none(wire: str, said: Any) -> None:
    bodies = [{**event, "error": said} for event in WIRES[wire]([("text", "Hi")], whole=False)]
    assert answer(await Wire(wire, stream_of(wire, bodies)).stream(THINKS)) == "Hi"


HALVES = "😀".encode("utf-16-be")
FIRST, SECOND = chr(int.from_bytes(HALVES[:2])), chr(int.from_bytes(HALVES[2:]))


@pytest.mark.parametrize("kind", ["thought", "text"])
@pytest.mark.parametrize("wire", WIRES)
async def test_a_letter_that_is_cut_in_two_is_whole_again(wire: str, kind: str) -> None:
    """As servers cut that go by tokens and write UTF-16's halves as escapes."""
    pieces = [(kind, f"Fine {FIRST}"), (kind, f"{SECOND}!"), ("text", " Yes.")]
    told = await events(wire, pieces, whole=False)
    assert thinking(told) + answer(told) == "Fine 😀! Yes."


@pytest.mark.parametrize("wire", WIRES)
async def test_half_a_letter_alone_loses_nothing_else(wire: str) -> None:
    told = await events(wire, [("text", f"a{FIRST}b"), ("text", f"{SECOND}c")], whole=False)
    assert answer(told) == "a\ufffdb\ufffdc"
    assert answer(await events(wire, [("text", f"a{FIRST}b")], whole=True)) == "a\ufffdb"


OFF = call(family_of("qwen3-8b"), thinking_tokens=0, effort="none")
OFFS = {
    "openai_responses": call(family_of("gpt-5.1"), thinking_tokens=0, effort="none"),
    "anthropic": call(family_of("claude-sonnet-4-5"), thinking_tokens=0, effort="none"),
    "gemini": call(family_of("gemini-2.5-flash"), thinking_tokens=0, effort="none"),
}
"""By wires whose models are their vendor's."""
AT_VLLM = providers()["vllm"]


class TestThinkingIsOff:
    def spoken(self, *pieces: tuple[str, str], ended: bool = True, asked: Call = OFF) -> list[CallEvent]:
        speech, batch = Speech(asked, AT_VLLM), list[CallEvent]()
        for kind, text in pieces:
            (speech.thought if kind == "thought" else speech.answer)(text, batch)
        speech.close(batch, ended=ended)
        return joined(batch)

    def test_a_thought_that_nothing_follows_is_the_answer(self) -> None:
        assert self.spoken(("thought", "Pa"), ("thought", "ris")) == [AnswerDelta("Paris", 0)]
        assert answer(self.spoken(("thought", "Paris"), ("text", "\n\n"))) == "Paris"

    def test_a_thought_before_an_answer_is_one(self) -> None:
        told = self.spoken(("thought", "So."), ("text", "Paris"), ("thought", "Yes."))
        assert (thinking(told), answer(told)) == ("So.Yes.", "Paris")

    def test_a_thought_that_was_cut_is_one(self) -> None:
        assert thinking(self.spoken(("thought", "So"), ended=False)) == "So"

    def test_one_that_was_asked_for_is_one(self) -> None:
        assert thinking(self.spoken(("thought", "So"), asked=THINKS)) == "So"

    @pytest.mark.parametrize("whole", [False, True])
    @pytest.mark.parametrize("wire", WIRES)
    async def test_it_is_told_and_counted_once_on_every_wire(self, wire: str, whole: bool) -> None:
        asked = OFFS.get(wire, OFF)
        for pieces in ([("thought", "Par"), ("thought", "is")], [("thought", "Paris"), ("text", "\n")]):
            told = await events(wire, pieces, whole=whole, asked=asked, at=AT_VLLM)
            assert (thinking(told), answer(told), ended(told).reason) == ("", "Paris", "stop")
        told = await events(
            wire, [("thought", "So"), ("text", "Paris")], whole=whole, asked=asked, at=AT_VLLM
        )
        assert (thinking(told), answer(told)) == ("So", "Paris")

    @pytest.mark.parametrize(
        ("wire", "counts"),
        [
            ("gemini", {"usageMetadata": {"promptTokenCount": 9, "thoughtsTokenCount": 6}}),
            (
                "anthropic",
                {
                    "type": "message_delta",
                    "usage": {"output_tokens": 6, "output_tokens_details": {"thinking_tokens": 6}},
                },
            ),
            (
                "openai_chat",
                {
                    "choices": [],
                    "usage": {"completion_tokens": 6, "completion_tokens_details": {"reasoning_tokens": 6}},
                },
            ),
        ],
    )
    async def test_its_tokens_are_the_answers(self, wire: str, counts: Any) -> None:
        said = [*WIRES[wire]([("thought", "Paris")], whole=False)]
        said.insert(-1, counts)
        told = await Wire(wire, stream_of(wire, said), provider=AT_VLLM).stream(OFFS.get(wire, OFF))
        usage = ended(told).usage
        assert usage is not None
        assert (usage.thinking, usage.answer) == (0, 6)
