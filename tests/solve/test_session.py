"""Several candidates of one request, one after the other or side by side: they share its budget and never pass it."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Literal

import pytest
from costs import known
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spine import FREE, PRICED, Spine, request
from words import WordBackend

from perpend.backends.contract import CallEvent
from perpend.backends.replay import ReplayBackend
from perpend.errors import BadRequest, CapReached
from perpend.strategies import Feedback, Session, Step
from perpend.types import (
    Answer,
    AnswerDelta,
    CallEnded,
    Candidate,
    Message,
    Progress,
    Request,
    StrategySpec,
    Text,
    ThinkingDelta,
    Thought,
    Usage,
    Verdict,
    VerifierSpec,
)
from perpend.verifiers import Task, Verifier

EndReason = Literal["stop", "stop_sequence", "length"]
Strategy = Callable[[Session], Awaitable[Candidate]]
Play = Callable[[Spine, Request, Strategy], Awaitable[Answer]]


def sampling(shares: list[int | None], *, at_once: bool) -> Strategy:
    async def strategy(session: Session) -> Candidate:
        async def one(share: int | None) -> Candidate | None:
            try:
                return await session.sample(thinking_tokens=share)
            except CapReached:
                return None

        if at_once:
            made = await asyncio.gather(*(one(share) for share in shares))
        else:
            made = [await one(share) for share in shares]
        return next(candidate for candidate in made if candidate is not None)

    return strategy


async def test_each_candidate_has_room_for_its_own_answer(play: Play) -> None:
    spine = Spine(WordBackend(thought=100, reply=20))
    answer = await play(spine, request(max_thinking_tokens=30), sampling([10, 10, 10, 10], at_once=False))
    assert [c.usage.thinking for c in answer.candidates] == [10, 10, 10, 0]
    assert [c.usage.answer for c in answer.candidates] == [20, 20, 20, 20]
    assert answer.usage.thinking == 30


async def test_without_a_share_a_candidate_takes_what_is_left(play: Play) -> None:
    spine = Spine(WordBackend(thought=100, reply=1))
    answer = await play(spine, request(max_thinking_tokens=30), sampling([12, None], at_once=False))
    assert [c.usage.thinking for c in answer.candidates] == [12, 18]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shares=st.lists(st.none() | st.integers(0, 60), min_size=1, max_size=5),
    at_once=st.booleans(),
    thinking=st.integers(0, 100),
    output=st.none() | st.integers(1, 200),
    cap=st.none() | st.decimals(Decimal("0.0005"), Decimal("0.01"), places=6),
    thought=st.integers(0, 80),
    reply=st.integers(1, 80),
)
async def test_no_number_of_candidates_passes_a_limit_and_none_thinks_without_answering(
    play: Play,
    shares: list[int | None],
    at_once: bool,
    thinking: int,
    output: int | None,
    cap: Decimal | None,
    thought: int,
    reply: int,
) -> None:
    spine = Spine(WordBackend(thought=thought, reply=reply), price=FREE if cap is None else PRICED)
    asked = request(max_thinking_tokens=thinking, max_output_tokens=output, max_cost_usd=cap)
    answer = await play(spine, asked, sampling(shares, at_once=at_once))
    assert answer.usage.thinking <= thinking
    assert output is None or answer.usage.output <= output
    assert cap is None or known(answer.cost_usd) <= cap
    assert all(candidate.answer for candidate in answer.candidates)
    assert answer.candidates


def said(thought: str, answer: str) -> list[list[list[CallEvent]]]:
    """What a server that continues says for one candidate: its thought, then its answer; a word is a token."""
    return [
        [[ThinkingDelta(thought, len(thought.split()))], ended(thinking=len(thought.split()))],
        [[AnswerDelta(answer, len(answer.split()))], ended(answer=len(answer.split()))],
    ]


def ended(reason: EndReason = "stop", **tokens: int) -> list[CallEvent]:
    return [CallEnded(reason, Usage(input=10, **tokens))]


def scripted(*recordings: list[list[CallEvent]], **spine: Any) -> tuple[Spine, ReplayBackend]:
    backend = ReplayBackend(recordings, supports_prefix=True)
    return Spine(backend, **spine), backend


async def test_a_part_may_spend_its_share_and_no_more(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        part = session.budget.part(3)
        assert part.budget.thinking == 30
        await part.sample()
        await part.sample()
        assert session.budget.thinking == 60
        return await session.sample()

    answer = await play(Spine(WordBackend(thought=500, reply=2)), request(max_thinking_tokens=90), strategy)
    assert [c.usage.thinking for c in answer.candidates] == [30, 0, 60]


async def test_what_a_part_doesnt_use_is_the_others(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        await session.budget.part(2).sample()
        assert session.budget.thinking == 86
        return await session.sample()

    await play(Spine(WordBackend(thought=4, reply=1)), request(max_thinking_tokens=90), strategy)


async def test_a_thought_is_taken_step_by_step_and_then_answered(play: Play) -> None:
    spine, backend = scripted(
        [[ThinkingDelta("one", 1)], ended("stop_sequence", thinking=2)],
        [[ThinkingDelta("two", 1)], ended(thinking=1)],
        [[AnswerDelta("done", 1)], ended(answer=1)],
    )

    async def strategy(session: Session) -> Candidate:
        first = await session.think("", tokens=8, stop="\n\n")
        assert first == Step("one\n\n", 2, ended=False)
        second = await session.think(first.text, tokens=8, stop="\n\n")
        assert second == Step("two", 1, ended=True)
        return await session.sample(thought=first.text + second.text, thinking_tokens=0)

    answer = await play(spine, request(max_thinking_tokens=20), strategy)
    assert (answer.thinking, answer.text) == ("one\n\ntwo", "done")
    assert answer.usage.thinking == 3
    assert answer.candidates[0].usage.thinking == 0
    assert [call.pause for call in backend.calls] == ["\n\n", "\n\n", ""]
    assert backend.calls[2].continuation.startswith(backend.calls[1].family.open + "one\n\ntwo")


async def test_a_chat_server_takes_no_steps(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        await session.think("", tokens=8)
        raise AssertionError

    with pytest.raises(BadRequest, match="resumed in the middle"):
        await play(Spine(ReplayBackend([])), request(), strategy)


@pytest.mark.parametrize("supports_prefix", [True, False])
async def test_feedback_goes_into_the_same_thinking_or_back_as_a_message(
    play: Play, supports_prefix: bool
) -> None:
    first, second = said("a b", "five"), said("c", "four")
    whole = [[*thought[:-1], *answer] for thought, answer in (first, second)]
    backend = ReplayBackend([*first, *second] if supports_prefix else whole, supports_prefix=supports_prefix)

    async def strategy(session: Session) -> Candidate:
        candidate = await session.sample()
        return await session.sample(feedback=Feedback(candidate, "that is wrong"))

    answer = await play(Spine(backend), request(max_thinking_tokens=20), strategy)
    assert answer.text == "four"
    last = backend.calls[-2 if supports_prefix else -1]
    if supports_prefix:
        assert last.continuation.endswith(
            "a b\n\nMy answer: five\n\nthat is wrong\n\nWait, the mistake is that"
        )
    else:
        assert [message.text for message in last.messages[-2:]] == [
            "five",
            "that is wrong Find the mistake and correct it.",
        ]


class Longest(Verifier):
    """The more words the better; four have passed."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        words = len(candidate.answer.split())
        return Verdict(words / 4, words >= 4, "say more")


async def test_a_verdict_is_kept_with_its_candidate(play: Play) -> None:
    spine, _ = scripted(*said("a", "x y"), *said("b", "x y z w"), verifier=Longest())

    async def strategy(session: Session) -> Candidate:
        session.verifier.require("this")
        first = await session.verifier.verify(await session.sample())
        assert (first.score, first.verdict) == (0.5, Verdict(0.5, False, "say more"))
        return await session.verifier.verify(await session.sample())

    asked = request(max_thinking_tokens=20, verifier=VerifierSpec("longest"))
    answer = await play(spine, asked, strategy)
    assert [candidate.score for candidate in answer.candidates] == [0.5, 1.0]


@pytest.mark.parametrize(("spec", "field"), [(None, "verifier"), (VerifierSpec("exact"), "verifier.gold")])
async def test_a_verifier_that_is_needed_is_asked_for_before_anything_is_spent(
    play: Play, spec: VerifierSpec | None, field: str
) -> None:
    spine, backend = scripted()

    async def strategy(session: Session) -> Candidate:
        session.verifier.require("this")
        raise AssertionError

    with pytest.raises(BadRequest) as refused:
        await play(spine, request(verifier=spec), strategy)
    assert refused.value.field == field
    assert not backend.calls


async def test_two_candidates_are_compared(play: Play) -> None:
    spine, _ = scripted(*said("a", "x y"), *said("b", "x y z w"), verifier=Longest())

    async def strategy(session: Session) -> Candidate:
        first, second = await session.sample(), await session.sample()
        assert await session.verifier.compare(first, second) == 0.25
        return second

    await play(spine, request(max_thinking_tokens=20, verifier=VerifierSpec("longest")), strategy)


class Never(Verifier):
    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        await asyncio.sleep(3600)
        raise AssertionError


async def test_a_verifier_that_takes_too_long_costs_no_answer(play: Play) -> None:
    spine, _ = scripted(*said("a", "x"), verifier=Never())

    async def strategy(session: Session) -> Candidate:
        return await session.verifier.verify(await session.sample())

    answer = await play(spine, request(deadline_ms=300, verifier=VerifierSpec("never")), strategy)
    assert answer.text == "x"
    assert (answer.truncated, answer.stop_reason) == (True, "deadline")
    assert answer.candidates[0].verdict is None


async def test_only_what_will_be_the_answer_is_shown_while_it_is_written(play: Play) -> None:
    spine, _ = scripted(*said("a", "x"), *said("b", "y"))

    async def strategy(session: Session) -> Candidate:
        await session.sample()
        return await session.sample(shown=True)

    answer = await play(spine, request(max_thinking_tokens=20), strategy)
    assert answer.text == "y"
    shown = [e.text for e in spine.events if isinstance(e, ThinkingDelta | AnswerDelta)]
    assert shown == ["b", "y"]


async def test_the_first_ones_thinking_may_be_shown_meanwhile(play: Play) -> None:
    spine, _ = scripted(*said("a", "x"), *said("b", "y"))

    async def strategy(session: Session) -> Candidate:
        await session.sample()
        return await session.sample()

    spec = StrategySpec(stream_candidate="first")
    answer = await play(spine, request(max_thinking_tokens=20, strategy=spec), strategy)
    assert (answer.thinking, answer.text) == ("a", "y")
    assert [part.text for part in answer.content if isinstance(part, Thought | Text)] == ["a", "y"]
    shown = [e.text for e in spine.events if isinstance(e, ThinkingDelta | AnswerDelta)]
    assert shown == ["a"]


async def test_progress_tells_of_each_candidate(play: Play) -> None:
    spine, _ = scripted(*said("a b", "x"), *said("c", "y z"))

    async def strategy(session: Session) -> Candidate:
        await session.sample()
        last = await session.sample()
        await asyncio.sleep(0.6)
        return last

    await play(spine, request(max_thinking_tokens=20, progress=True), strategy)
    told = [event for event in spine.events if isinstance(event, Progress)]
    assert [(c.index, c.phase, c.thinking_tokens) for c in told[-1].candidates] == [
        (0, "answering", 2),
        (1, "answering", 1),
    ]


class Optimist(Verifier):
    """A thought is as good as it is long; an answer is always wrong."""

    rates_thoughts = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        return Verdict(
            0.0 if candidate.answer else min(len(candidate.thinking.split()) / 4, 1.0), False, "no"
        )


async def test_a_thought_is_rated_before_it_is_answered(play: Play) -> None:
    spine, _ = scripted(*said("a", "x"), verifier=Optimist())

    async def strategy(session: Session) -> Candidate:
        assert session.verifier.rates_thoughts
        first = await session.sample()
        assert await session.verifier.rate("one two") == 0.5
        return first

    answer = await play(spine, request(max_thinking_tokens=20, verifier=VerifierSpec("optimist")), strategy)
    assert [(c.answer, c.score) for c in answer.candidates] == [("x", 0.0)]  # as it is verified


async def test_without_time_a_thought_has_no_rating(play: Play) -> None:
    spine, _ = scripted(*said("a", "x"), verifier=Never())

    async def strategy(session: Session) -> Candidate:
        assert not session.verifier.rates_thoughts
        first = await session.sample()
        assert await session.verifier.rate("one two") is None
        return first

    await play(spine, request(deadline_ms=300, verifier=VerifierSpec("never")), strategy)


async def test_what_a_strategy_decides_on_the_way_is_in_the_plan(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        session.explain("escalated to big")
        return await session.sample()

    answer = await play(Spine(WordBackend(thought=5, reply=2)), request(), strategy)
    assert answer.plan.reason.endswith(", escalated to big")


async def test_the_answer_names_who_wrote_it_and_so_does_each_candidate(play: Play) -> None:
    spine = Spine(WordBackend(thought=5, reply=2), others={"big": WordBackend(thought=5, reply=3)})

    async def strategy(session: Session) -> Candidate:
        first = await session.sample()
        await session.on("big").sample()
        return first

    answer = await play(spine, request(max_thinking_tokens=20), strategy)
    assert [candidate.model for candidate in answer.candidates] == ["m", "big"]
    assert (answer.model, spine.row.model) == ("m", "m")


async def test_a_thought_that_fills_the_context_ends_in_the_answer_so_far(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        first = await session.sample()
        with pytest.raises(CapReached, match="prompt is too long"):
            await session.sample(thought="word " * 400)
        return first

    spine = Spine(WordBackend(thought=5, reply=2), context=400)
    assert (await play(spine, request(max_thinking_tokens=20), strategy)).text


async def test_another_model_s_window_is_judged_by_tokens_and_not_by_bytes(play: Play) -> None:
    """A prompt of more bytes than its window has tokens: most such prompts fit."""

    async def strategy(session: Session) -> Candidate:
        return await session.on("big").sample()

    spine = Spine(
        WordBackend(thought=5, reply=2), context=400, others={"big": WordBackend(thought=5, reply=2)}
    )
    prompt = (Message("user", "perpend " * 75),)
    answer = await play(spine, request(messages=prompt, max_thinking_tokens=20), strategy)
    assert (answer.model, bool(answer.text)) == ("big", True)
