"""A stop sequence is kept whoever serves a model: where its server can't be told, the answer is cut there."""

from typing import Any

import pytest
from replaying import Wire, answer, call

from perpend.backends.contract import CallEvent
from perpend.backends.replay import Recording, ReplayBackend
from perpend.backends.stopping import stopping
from perpend.deployments.pool import Deployment, Deployments
from perpend.errors import UpstreamError
from perpend.transport.client import HTTPClient
from perpend.types import AnswerDelta, CallEnded, Sampling, ThinkingDelta, ToolCallDelta, Usage

END = CallEnded("stop", Usage(1, 0, 0, 9))


async def heard(*batches: Any, stops: tuple[str, ...] = ("END",)) -> list[CallEvent]:
    recording: Recording = batches
    played = stopping(ReplayBackend([recording]).stream(call()), stops)
    return [event async for batch in played for event in batch]


async def test_the_answer_ends_before_it_and_the_call_with_it() -> None:
    events = await heard([AnswerDelta("a b END c")], [AnswerDelta("d"), END])
    assert (answer(events), events[-1]) == ("a b ", CallEnded("stop_sequence"))


async def test_one_that_comes_in_pieces() -> None:
    events = await heard([AnswerDelta("a E")], [AnswerDelta("N")], [AnswerDelta("D c"), END])
    assert (answer(events), events[-1]) == ("a ", CallEnded("stop_sequence"))


async def test_what_only_began_like_one_is_said() -> None:
    assert answer(await heard([AnswerDelta("a EN")], [AnswerDelta("T")], [END])) == "a ENT"
    events = await heard([AnswerDelta("a EN"), ToolCallDelta(0, "c", "add")], [END])
    assert [type(event) for event in events] == [AnswerDelta, AnswerDelta, ToolCallDelta, CallEnded]
    assert (answer(events), events[-1]) == ("a EN", END)


async def test_a_thought_may_say_it() -> None:
    events = await heard([ThinkingDelta("END")], [AnswerDelta("a"), END])
    assert answer(events) == "a"


async def test_what_was_held_back_isnt_lost_with_the_upstream() -> None:
    said: list[CallEvent] = []

    async def listen() -> None:
        dying: Recording = [[AnswerDelta("a EN")], UpstreamError("died")]
        async for batch in stopping(ReplayBackend([dying]).stream(call()), ("END",)):
            said.extend(batch)

    with pytest.raises(UpstreamError):
        await listen()
    assert answer(said) == "a EN"


async def test_a_wire_without_stop_sequences_keeps_them() -> None:
    wire = Wire(
        "openai_responses",
        b'data: {"type":"response.output_text.delta","delta":"a END b"}\n\n'
        b'data: {"type":"response.completed","response":{"status":"completed"}}\n\n',
    )
    http = HTTPClient()
    async with wire.serving() as url:
        places = Deployments([Deployment("p", wire.backend(http, url), model="m")])
        asked = call(sampling=Sampling(stop=("END",), seed=1))
        events = [event async for batch in places.stream(asked) for event in batch]
        assert places.left_out(asked) == ("seed",)
    await http.aclose()
    assert (answer(events), events[-1]) == ("a ", CallEnded("stop_sequence"))
