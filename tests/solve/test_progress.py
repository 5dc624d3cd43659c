"""Progress is told all along, and its forecast comes true where things go as usual."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import fake_clock
import pytest
from spine import Spine, request

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.solve import Origin, solve
from perpend.types import AnswerDelta, CallEnded, Event, Progress, ThinkingDelta, ToolCallDelta, Usage

PER_TOKEN_S = 0.1
FIRST_S = 2.0

Steps = list[Sequence[CallEvent] | float]
Told = list[tuple[float, Progress]]
"""Each progress, and the second when it was told."""


def spoken(*, thinks: int = 0, says: int = 0) -> Steps:
    """Ten tokens a second, after two seconds of silence."""
    steps: Steps = [FIRST_S]
    for _ in range(thinks):
        steps += [[ThinkingDelta("hm ", 1)], PER_TOKEN_S]
    for _ in range(says):
        steps += [[AnswerDelta("so ", 1)], PER_TOKEN_S]
    return [*steps, [CallEnded("stop", Usage(10, 0, thinks, says))]]


def told(*calls: Steps, times: int = 1, **asked: Any) -> Told:
    """What the last of several requests told, each of which takes its share of the calls."""
    spine = Spine(ReplayBackend(calls), family="generic")
    heard: Told = []

    async def go() -> None:
        for _ in range(times):
            heard.clear()
            began = asyncio.get_running_loop().time()

            async def sink(batch: list[Event], began: float = began) -> None:
                now = asyncio.get_running_loop().time() - began
                heard.extend((now, event) for event in batch if isinstance(event, Progress))

            await solve(request(progress=True, **asked), spine.services, sink, origin=Origin("test"))

    fake_clock.run(go())
    return heard


def silences(heard: Told, end_s: float) -> list[float]:
    times = [0.0, *(at for at, _ in heard), end_s]
    return [later - earlier for earlier, later in pairwise(times)]


def test_a_first_guess_is_there_before_the_first_token() -> None:
    at, first = told(spoken(thinks=5, says=5), max_thinking_tokens=100)[0]
    assert at < FIRST_S
    assert (first.phase, first.thinking_tokens) == ("queued", 0)
    assert first.eta_s is not None
    assert 1 < first.eta_s < 60


def test_it_goes_on_through_the_answer() -> None:
    heard = told(spoken(thinks=20, says=60), max_thinking_tokens=100)
    answering = [one.eta_s for _, one in heard if one.phase == "answering"]
    assert len(answering) > 5
    assert all(answering)


def test_after_one_like_it_the_forecast_comes_true() -> None:
    calls = [spoken(thinks=60, says=40) for _ in range(30)]
    end_s = FIRST_S + 100 * PER_TOKEN_S
    heard = told(*calls, times=30, max_thinking_tokens=100)
    for at, one in heard:
        assert one.eta_s == pytest.approx(end_s - at, abs=2.0), (at, one)


@pytest.mark.parametrize("thinks", [0, 30, 90])
def test_it_is_never_later_than_the_deadline(thinks: int) -> None:
    heard = told(
        spoken(thinks=thinks, says=20), spoken(says=20), max_thinking_tokens=8000, deadline_ms=20_000
    )
    assert heard
    for at, one in heard:
        assert one.eta_s is not None
        assert 0 <= one.eta_s <= 20 - at + 0.1


def test_no_silence_is_longer_than_half_a_second() -> None:
    """Before the first token, and from a cut to its answer."""
    heard = told(spoken(thinks=60), spoken(says=20), max_thinking_tokens=50)
    cut_s = FIRST_S + 49 * PER_TOKEN_S
    between = [one for at, one in heard if cut_s < at < cut_s + FIRST_S]
    assert len(between) >= 3
    assert {one.thinking_tokens for one in between} == {50}
    assert max(silences(heard, cut_s + FIRST_S + 20 * PER_TOKEN_S)) <= 0.5 + 1e-6


def test_what_takes_longer_than_expected_is_expected_to_go_on() -> None:
    slow: Steps = [60.0, *spoken(says=5)]
    etas = [one.eta_s for at, one in told(slow, max_thinking_tokens=10) if 30 < at < 60]
    assert all(etas)
    assert etas == sorted(etas, key=lambda eta: eta or 0)


def test_a_tool_call_is_an_answer_under_way() -> None:
    call: list[CallEvent] = [ToolCallDelta(0, "call_1", "look", '{"at": 1}')]
    heard = told([FIRST_S, call, 1.0, [CallEnded("tool_calls", Usage(10, 0, 0, 9))]])
    assert {one.phase for _, one in heard} == {"queued", "answering"}


def test_who_doesnt_ask_gets_none() -> None:
    spine = Spine(ReplayBackend([spoken(says=20)]), family="generic")
    fake_clock.run(spine.ask(request()))
    assert not any(isinstance(event, Progress) for event in spine.events)
