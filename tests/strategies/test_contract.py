"""What holds for every registered strategy: it answers, inside its budget, and leaves nothing running."""

import asyncio
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import fake_clock
import pytest
from costs import known
from hypothesis import example, given, settings
from hypothesis import strategies as st
from spine import FREE, PRICED, Spine, request
from words import MortalWords, WordBackend

from perpend.errors import CapReached, DeadlineTooShort, PerpendError, UpstreamError
from perpend.solve import Control
from perpend.strategies import strategies
from perpend.types import Answer, Finished, Request, StrategySpec, VerifierSpec

OPTIONS: dict[str, dict[str, Any]] = {
    "beam": {"step_tokens": 2},
    "best_of_n": {"of": {"name": "budget_forcing", "waits": 1}},
    "best_of_n, pairwise": {"pairwise": True},
    "cascade": {"models": ["m", "m"]},
    "self_consistency": {"confidence": 1.0},
    "tree": {"step_tokens": 2},
}
"""What a strategy needs, or what makes it do its work within a small budget; after a comma, another way of it."""
WORD_S = 0.01
MOMENTS = st.floats(0, 2)
"""Seconds: before, while and after it thinks and answers."""

pytestmark = pytest.mark.parametrize("name", sorted({*strategies.names(), *OPTIONS}))


def asking(name: str, **limits: Any) -> Request:
    spec = StrategySpec(name.partition(",")[0], OPTIONS.get(name, {}), VerifierSpec("exact", "never said"))
    return request(strategy=spec, **limits)


def words(**said: int) -> WordBackend:
    return WordBackend(**{"thought": 30, "reply": 5, **said}, delay_s=WORD_S)


def mortal(dies: Callable[[], bool]) -> MortalWords:
    return MortalWords(thought=30, reply=5, dies=dies, delay_s=WORD_S)


async def played(spine: Spine, asked: Request, control: Control | None = None) -> Answer | PerpendError:
    """Runs it to its end, and checks what holds however it ends."""
    backend: Any = spine.model.backend
    try:
        answer = await spine.ask(asked, control)
    except PerpendError as error:
        assert not any(isinstance(event, Finished) for event in spine.events)
        assert not backend.answered, "there was something to answer with"
        answer = error
    else:
        assert [event for event in spine.events if isinstance(event, Finished)] == [Finished(answer)]
        assert spine.events[-1] == Finished(answer)
        assert answer.text or not backend.answered
        check_sums(spine, answer)
    check_limits(spine, asked)
    assert backend.streaming == 0
    return answer


def check_sums(spine: Spine, answer: Answer) -> None:
    """The ledger has what the answer says, and the answer what its candidates say, but for steps of thoughts."""
    row, each = spine.row, answer.candidates
    assert (row.thinking, row.answer, row.cost_usd) == (
        answer.usage.thinking,
        answer.usage.answer,
        answer.cost_usd,
    )
    assert sum(one.usage.answer for one in each) == row.answer
    steps = any(call.pause for call in spine.model.backend.calls)  # pyright: ignore -- it keeps them
    assert sum(one.usage.thinking for one in each) == row.thinking or steps
    assert sum(known(one.cost_usd) for one in each) == row.cost_usd or steps
    assert [one.index for one in each] == sorted({one.index for one in each})


def check_limits(spine: Spine, asked: Request) -> None:
    if not spine.recorder.rows:
        return  # refused before anything was begun
    row, limits = spine.row, asked.limits
    assert limits.max_thinking_tokens is None or row.thinking <= limits.max_thinking_tokens
    assert limits.max_output_tokens is None or row.thinking + row.answer <= limits.max_output_tokens
    assert limits.max_cost_usd is None or known(row.cost_usd) <= limits.max_cost_usd


def answered(spine: Spine, asked: Request) -> Answer:
    answer = fake_clock.run(played(spine, asked))
    assert isinstance(answer, Answer), answer
    assert answer.text
    return answer


def test_it_answers_inside_its_budget(name: str) -> None:
    answer = answered(Spine(words(thought=50)), asking(name, max_thinking_tokens=40, max_output_tokens=60))
    assert answer.plan.strategy == name.partition(",")[0]
    assert answer.candidates


def test_it_keeps_its_cap(name: str) -> None:
    spine = Spine(words(thought=5000, reply=5000), price=PRICED)
    answered(spine, asking(name, max_cost_usd=Decimal("0.004")))


@settings(max_examples=40)
@example(seed=0, dies=0.5, thinking=0, output=14, cap=Decimal("0.0010"))  # nobody counted the prompts
@example(seed=0, dies=0.5, thinking=8, output=None, cap=None)
@given(
    seed=st.integers(0, 2**32),
    dies=st.sampled_from([0.001, 0.01, 0.1, 0.5]),
    thinking=st.integers(0, 300),
    output=st.none() | st.integers(1, 400),
    cap=st.none() | st.decimals(Decimal("0.001"), Decimal("0.01"), places=4),
)
def test_it_never_overspends_whoever_fails_meanwhile(
    name: str, seed: int, dies: float, thinking: int, output: int | None, cap: Decimal | None
) -> None:
    drawn = random.Random(seed)
    spine = Spine(mortal(lambda: drawn.random() < dies), price=FREE if cap is None else PRICED)
    asked = asking(name, max_thinking_tokens=thinking, max_output_tokens=output, max_cost_usd=cap)
    ended = fake_clock.run(played(spine, asked))
    assert isinstance(ended, Answer | UpstreamError | CapReached), ended


@settings(max_examples=40)
@given(deadline_ms=st.integers(1, 2000))
def test_a_deadline_gives_the_best_so_far(name: str, deadline_ms: int) -> None:
    asked = asking(name, max_thinking_tokens=300, deadline_ms=deadline_ms)
    ended = fake_clock.run(played(Spine(words()), asked))
    assert isinstance(ended, Answer | DeadlineTooShort), ended
    if isinstance(ended, Answer):
        assert ended.text or deadline_ms < 100
        assert ended.elapsed_s <= deadline_ms / 1000 + WORD_S
        assert ended.truncated == (ended.stop_reason != "stop")


@settings(max_examples=40)
@given(at_s=MOMENTS)
def test_answer_now_gives_the_best_so_far(name: str, at_s: float) -> None:
    async def told(spine: Spine) -> Answer | PerpendError:
        control = Control()
        asyncio.get_running_loop().call_later(at_s, control.answer_now)
        return await played(spine, asking(name, max_thinking_tokens=300), control)

    ended = fake_clock.run(told(Spine(words())))
    assert isinstance(ended, Answer), ended
    assert ended.text
    assert ended.stop_reason in ("stop", "answer_now")
    assert ended.elapsed_s <= at_s + 6 * WORD_S or ended.stop_reason == "stop"


@settings(max_examples=40)
@given(cap=st.decimals(Decimal(0), Decimal("0.02"), places=5))
def test_a_cap_gives_the_best_that_it_buys(name: str, cap: Decimal) -> None:
    spine = Spine(words(), price=PRICED)
    ended = fake_clock.run(played(spine, asking(name, max_thinking_tokens=300, max_cost_usd=cap)))
    if isinstance(ended, Answer):
        assert ended.text
    else:
        assert ended.code == "cap_reached"
        assert all(row.cost_usd == 0 for row in spine.recorder.rows)


@settings(max_examples=40)
@given(lives=st.integers(0, 400))
def test_a_server_that_dies_for_good_leaves_the_best_so_far(name: str, lives: int) -> None:
    left = iter(range(lives))
    spine = Spine(mortal(lambda: next(left, None) is None))
    ended = fake_clock.run(played(spine, asking(name, max_thinking_tokens=300)))
    assert isinstance(ended, Answer | UpstreamError), ended


@settings(max_examples=40)
@given(at_s=MOMENTS)
def test_cancelling_it_ends_everything_within_200_ms(name: str, at_s: float) -> None:
    backend = words(thought=10_000)
    spine = Spine(backend)

    async def cancelled() -> float:
        loop = asyncio.get_running_loop()
        running = asyncio.ensure_future(spine.ask(asking(name, effort="max")))
        await asyncio.sleep(at_s)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        return loop.time() - at_s

    assert fake_clock.run(cancelled()) <= 0.2
    assert backend.streaming == 0
    assert spine.row.status == "cancelled"
    assert not any(isinstance(event, Finished) for event in spine.events)
