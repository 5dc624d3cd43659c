"""What a session lets strategies say of candidates: scores, which answers are the same, what each of them cost."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from costs import known
from scripted_candidates import Try, tries
from spine import PRICED, Spine, request
from words import MortalWords, WordBackend

from perpend.strategies import Session
from perpend.types import PASSED, Answer, Candidate, Request, Sampling, StrategySpec, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier

Strategy = Callable[[Session], Awaitable[Candidate]]
FORCED = StrategySpec("budget_forcing", {"waits": 1})
Play = Callable[[Spine, Request, Strategy], Awaitable[Answer]]


async def test_a_score_of_the_strategys_own_is_listed(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        first = await session.sample()
        session.score(first, 0.25)
        return session.score(await session.sample(), 0.75)

    answer = await play(Spine(tries("7", "8"), family="generic"), request(), strategy)
    assert [(one.answer, one.score) for one in answer.candidates] == [("7", 0.25), ("8", 0.75)]


class Slow(Verifier):
    """Takes an hour to see that all answers are the same, and right."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        await asyncio.sleep(3600)
        return PASSED

    async def same(self, first: str, second: str) -> bool:
        await asyncio.sleep(3600)
        return True


async def test_a_comparison_that_takes_too_long_is_one_of_texts(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        candidate = await session.sample()
        assert not await session.verifier.same("7", "7.0")
        assert await session.verifier.same("7", "7")
        return candidate

    spine = Spine(tries("7"), family="generic", verifier=Slow())
    answer = await play(spine, request(deadline_ms=50, verifier=VerifierSpec("slow")), strategy)
    assert answer.text == "7"
    assert (answer.verdict, answer.truncated) == (None, False)
    assert "unverified" in answer.plan.reason


async def test_a_strategy_inside_samples_as_it_is_told(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        await session.run(StrategySpec(), Sampling(seed=5, temperature=0.5))
        return await session.run(StrategySpec())

    backend = tries("7", "8")
    await play(Spine(backend, family="generic"), request(sampling=Sampling(seed=1)), strategy)
    assert [call.sampling for call in backend.calls] == [
        Sampling(seed=5, temperature=0.5),
        Sampling(seed=1),
    ]


async def test_what_died_without_a_word_is_listed_with_what_it_cost(play: Play) -> None:
    async def strategy(session: Session) -> Candidate:
        return await session.run(StrategySpec("self_consistency", {"n": 2}))

    backend = tries(Try("", thinks=0, end="dies"), "7")
    answer = await play(Spine(backend, family="generic", price=PRICED), request(), strategy)
    assert answer.text == "7"
    assert [one.stop_reason for one in answer.candidates] == ["upstream_error", "stop"]
    assert known(answer.candidates[0].cost_usd) > 0
    assert sum(known(one.cost_usd) for one in answer.candidates) == answer.cost_usd


async def test_where_going_on_is_too_dear_the_thought_so_far_is_answered() -> None:
    asked = request(max_thinking_tokens=300, max_cost_usd=Decimal("0.00077"), strategy=FORCED)
    answer = await Spine(WordBackend(thought=30, reply=5), price=PRICED).ask(asked)
    assert answer.usage.answer == 5
    assert (answer.truncated, answer.stop_reason) == (False, "stop")


async def test_the_first_call_that_is_too_dear_is_refused_and_not_tried() -> None:
    backend = MortalWords(thought=30, reply=5, dies=pytest.fail)
    with pytest.raises(Exception, match="max_cost_usd"):
        await Spine(backend, price=PRICED).ask(request(max_cost_usd=Decimal("0.0001")))
