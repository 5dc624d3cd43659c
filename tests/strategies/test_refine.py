"""The verdict goes back into the same thinking until an answer passes, or the budget ends."""

from typing import Any

import pytest
from spine import Spine, request
from words import WordBackend

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.errors import BadRequest
from perpend.strategies.refine import said_of
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    Sampling,
    StrategySpec,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
    Verdict,
    VerifierSpec,
)


def said(thought: str, answer: str) -> list[list[list[CallEvent]]]:
    """A thought and its answer, a call each; a word is a token."""
    thinking, answering = len(thought.split()), len(answer.split())
    return [
        [[ThinkingDelta(thought, thinking)], [CallEnded("stop", Usage(9, 0, thinking, 0))]],
        [[AnswerDelta(answer, answering)], [CallEnded("stop", Usage(9, 0, 0, answering))]],
    ]


async def refined(
    *attempts: tuple[str, str], gold: str = "12", sampling: Sampling | None = None, **options: Any
) -> tuple[Answer, ReplayBackend]:
    backend = ReplayBackend([call for one in attempts for call in said(*one)], supports_prefix=True)
    spec = StrategySpec("refine", options, VerifierSpec("answer", gold))
    asked = request(max_thinking_tokens=80, strategy=spec, sampling=sampling or Sampling(seed=5))
    return await Spine(backend).ask(asked), backend


def thoughts(backend: ReplayBackend) -> list[str]:
    """What each round went on from."""
    return [c.continuation.removeprefix(c.family.open) for c in backend.calls if c.phase == "thinking"]


async def test_what_the_verifier_says_goes_into_the_same_thinking() -> None:
    answer, backend = await refined(("six and seven", "13"), ("no five", "12"))
    assert answer.text == "12"
    assert thoughts(backend)[0] == ""
    assert thoughts(backend)[1] == (
        "six and seven\n\nMy answer: 13\n\nThis answer was checked, and it isn't right: "
        "the final answer is another one.\n\nWait, the mistake is that"
    )
    verdicts = [one.verdict and (one.verdict.passed, one.score) for one in answer.candidates]
    assert verdicts == [(False, 0.0), (True, 1.0)]
    assert answer.thinking.endswith("the mistake is thatno five")


async def test_an_answer_that_passes_is_the_last() -> None:
    answer, backend = await refined(("seven and five", "12"))
    assert [one.answer for one in answer.candidates] == ["12"]
    assert len(backend.calls) == 2


async def test_the_right_answer_is_never_told() -> None:
    _, backend = await refined(("a", "13"), ("b", "14"), ("c", "15"), ("d", "16"), gold="12")
    assert len(thoughts(backend)) == 4
    assert not [call for call in backend.calls if "12" in call.continuation]


async def test_without_one_that_passes_the_last_of_the_best_is_the_answer() -> None:
    answer, _ = await refined(("a", "13"), ("b", "14"), rounds=2)
    assert answer.text == "14"


async def test_the_same_wrong_answer_twice_is_a_fresh_start_with_another_seed() -> None:
    answer, backend = await refined(("a", "13"), ("b", "13.0"), ("c", "12"))
    assert thoughts(backend)[2] == ""
    assert answer.text == "12"
    assert answer.plan.reason.endswith("started afresh, since the same wrong answer came twice")
    seeds = [call.sampling.seed for call in backend.calls if call.phase == "thinking"]
    assert seeds == [5, 6, 7]


async def test_after_a_fresh_start_feedback_counts_again() -> None:
    _, backend = await refined(("a", "13"), ("b", "13"), ("c", "13"), ("d", "12"))
    assert [bool(thought) for thought in thoughts(backend)] == [False, True, False, True]


async def test_what_would_only_repeat_itself_is_not_started_afresh() -> None:
    answer, backend = await refined(("a", "13"), ("b", "13"), sampling=Sampling(temperature=0.0))
    assert len(thoughts(backend)) == 2
    assert "would come again" in answer.plan.reason


async def test_the_first_attempt_has_its_share_and_the_others_what_is_left() -> None:
    backend = WordBackend(thought=500, reply=2)
    spec = StrategySpec("refine", {"rounds": 3, "first": 0.4}, VerifierSpec("exact", "never said"))
    answer = await Spine(backend).ask(request(max_thinking_tokens=100, strategy=spec))
    assert [one.usage.thinking for one in answer.candidates] == [40, 30, 30]


async def test_the_first_thought_is_cut_by_nothing_but_the_budget() -> None:
    backend = WordBackend(thought=70, reply=2)
    spec = StrategySpec("refine", {"rounds": 2}, VerifierSpec("exact", "never said"))
    answer = await Spine(backend).ask(request(max_thinking_tokens=100, strategy=spec))
    assert [one.usage.thinking for one in answer.candidates] == [70, 30]


async def test_it_ends_with_the_thinking_budget() -> None:
    backend = WordBackend(thought=500, reply=2)
    spec = StrategySpec("refine", {"rounds": 9}, VerifierSpec("exact", "never said"))
    answer = await Spine(backend).ask(request(max_thinking_tokens=30, strategy=spec))
    assert len(answer.candidates) == 1


async def test_it_ends_where_the_thinking_fills_the_context() -> None:
    backend = WordBackend(thought=500, reply=2)
    spec = StrategySpec("refine", {"rounds": 64, "first": 0.1}, VerifierSpec("exact", "never said"))
    answer = await Spine(backend, context=900).ask(request(max_thinking_tokens=3000, strategy=spec))
    assert answer.text
    assert answer.usage.thinking < 900


async def test_it_needs_a_verifier() -> None:
    with pytest.raises(BadRequest, match="refine needs a verifier"):
        await Spine(WordBackend(thought=1, reply=1)).ask(request(strategy=StrategySpec("refine")))


def test_long_feedback_is_cut() -> None:
    told = said_of(Verdict(0.0, False, "x" * 5000))
    assert len(told) < 750
    assert said_of(Verdict(0.0, False)) == "This answer was checked, and it isn't right."


async def test_a_tool_call_isnt_an_answer_to_check() -> None:
    backend = ReplayBackend(
        [[[ToolCallDelta(0, "call_1", "add", "{}", 3)], [CallEnded("tool_calls", Usage(9, 0, 0, 3))]]]
    )
    spec = StrategySpec("refine", {}, VerifierSpec("exact", "12"))
    answer = await Spine(backend).ask(request(effort="none", strategy=spec))
    assert answer.stop_reason == "tool_calls"
    assert [one.name for one in answer.tool_calls] == ["add"]
    assert len(backend.calls) == 1
