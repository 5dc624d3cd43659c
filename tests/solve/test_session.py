"""Several candidates of one request, one after the other or side by side: they share its budget and never pass it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spine import FREE, PRICED, Spine, request
from words import WordBackend

from perpend.errors import CapReached
from perpend.strategies import Session
from perpend.types import Answer, Candidate, Request, StrategySpec

Strategy = Callable[[Session], Awaitable[Candidate]]
Play = Callable[[Spine, Request, Strategy], Awaitable[Answer]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """Solves a request with a strategy that nobody registered."""

    async def solved(spine: Spine, asked: Request, strategy: Strategy) -> Answer:
        def decided(spec: StrategySpec) -> tuple[Strategy, dict[str, object]]:
            return strategy, {}

        monkeypatch.setattr(sys.modules["perpend.solve.solve"], "with_options", decided)
        return await spine.ask(asked)

    return solved


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
    assert cap is None or answer.cost_usd <= cap
    assert all(candidate.answer for candidate in answer.candidates)
    assert answer.candidates
