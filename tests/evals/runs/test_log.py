"""A sample's events say when each thing happened, of all candidates, and not a word twice."""

from letter_game import LetterBackend, Right
from spine import Spine, request
from words import MortalWords, WordBackend

from perpend.evals.runs.log import Moment, SampleLog
from perpend.types import (
    AnswerDelta,
    Called,
    CallEnded,
    CallFailed,
    Event,
    Judged,
    Started,
    StrategySpec,
    ThinkingDelta,
    VerifierSpec,
)


async def heard(spine: Spine, **fields: object) -> tuple[Moment, ...]:
    log = SampleLog()
    await spine.ask(request(**fields), log=log)
    return log.moments


async def test_phases_in_order_each_with_its_text() -> None:
    moments = await heard(Spine(WordBackend(thought=5, reply=2)), max_thinking_tokens=9)
    kinds = [type(moment.event) for moment in moments]
    assert kinds == [Started, Called, ThinkingDelta, CallEnded, Called, AnswerDelta, CallEnded]
    thought, said = moments[2].event, moments[5].event
    assert thought == ThinkingDelta("w0 w1 w2 w3 w4 ", 5)
    assert said == AnswerDelta("w0 w1 ", 2)
    assert [moment.begun_s for moment in moments] == sorted(moment.begun_s for moment in moments)
    assert all(moment.begun_s <= moment.ended_s for moment in moments)


async def test_candidates_that_no_client_sees_are_heard_with_their_verdicts() -> None:
    spec = StrategySpec("best_of_n", {"n": 3}, VerifierSpec("exact", "w0"))
    moments = await heard(Spine(WordBackend(thought=3, reply=2, delay_s=0.001)), strategy=spec)
    by = {
        kind: {moment.event.candidate for moment in moments if isinstance(moment.event, kind)}  # pyright: ignore[reportAttributeAccessIssue]
        for kind in (ThinkingDelta, AnswerDelta, CallEnded, Judged)
    }
    assert set(map(frozenset, by.values())) == {frozenset({0, 1, 2})}
    thoughts = [moment for moment in moments if isinstance(moment.event, ThinkingDelta)]
    assert len(thoughts) == 3, "side by side, each is one"


async def test_a_call_that_died_is_told_and_the_one_after_it() -> None:
    words = iter(range(99))
    dying = MortalWords(thought=5, reply=2, dies=lambda: next(words) == 2)
    moments = await heard(Spine(dying))
    (failed,) = [moment.event for moment in moments if isinstance(moment.event, CallFailed)]
    assert (failed.code, failed.message) == ("upstream_error", "the server died")
    calls = [moment.event.phase for moment in moments if isinstance(moment.event, Called)]
    assert calls == ["thinking", "answering"]


async def test_pieces_are_joined_where_nothing_of_their_candidate_came_between() -> None:
    log = SampleLog()
    pieces: list[Event] = [
        ThinkingDelta("a", 1, 0),
        ThinkingDelta("x", 1, 1),
        ThinkingDelta("b", 1, 0),
        CallEnded("length", candidate=0),
        ThinkingDelta("c", 1, 0),
    ]
    for piece in pieces:
        await log([piece])
    assert [moment.event for moment in log.moments] == [
        ThinkingDelta("ab", 2, 0),
        ThinkingDelta("x", 1, 1),
        CallEnded("length", candidate=0),
        ThinkingDelta("c", 1, 0),
    ]
    assert pieces[0] == ThinkingDelta("a", 1, 0), "what was heard isn't touched"


async def test_steps_of_a_search_are_told_apart() -> None:
    spec = StrategySpec(
        "beam", {"step": " ", "step_tokens": 4, "width": 1, "expand": 3}, VerifierSpec("right")
    )
    spine = Spine(LetterBackend(length=4), verifier=Right("cabc", rates_thoughts=True))
    moments = await heard(spine, strategy=spec)
    steps = [m.event for m in moments if isinstance(m.event, ThinkingDelta) and m.event.candidate < 0]
    assert len(steps) == 4 * 3
    assert len({step.candidate for step in steps}) == len(steps)
