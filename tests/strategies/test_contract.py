"""What holds for every registered strategy: it answers, inside its budget, and leaves nothing running."""

import asyncio
from decimal import Decimal

import pytest
from spine import PRICED, Spine, request
from words import WordBackend

from perpend.solve import Control
from perpend.strategies import strategies
from perpend.types import StrategySpec, VerifierSpec

OPTIONS: dict[str, dict[str, object]] = {
    "beam": {"step_tokens": 2},
    "cascade": {"models": ["m", "m"]},
    "tree": {"step_tokens": 2},
}
"""What a strategy needs, or what makes it do its work within a small budget."""

pytestmark = pytest.mark.parametrize("name", strategies.names())


def spec(name: str) -> StrategySpec:
    return StrategySpec(name, OPTIONS.get(name, {}), VerifierSpec("exact", "never said"))


async def test_it_answers_inside_its_budget(name: str) -> None:
    backend = WordBackend(thought=50, reply=10)
    asked = request(max_thinking_tokens=40, max_output_tokens=60, strategy=spec(name))
    answer = await Spine(backend).ask(asked)
    assert answer.text
    assert answer.usage.thinking <= 40
    assert answer.usage.output <= 60
    assert answer.plan.strategy == name
    assert answer.candidates


async def test_it_keeps_its_cap(name: str) -> None:
    spine = Spine(WordBackend(thought=5000, reply=5000), price=PRICED)
    answer = await spine.ask(request(max_cost_usd=Decimal("0.004"), strategy=spec(name)))
    assert answer.text
    assert answer.cost_usd <= Decimal("0.004")


async def test_it_answers_by_its_deadline(name: str) -> None:
    backend = WordBackend(thought=100_000, reply=20, delay_s=0.001)
    answer = await Spine(backend).ask(request(effort="max", deadline_ms=300, strategy=spec(name)))
    assert answer.text
    assert answer.truncated
    assert backend.streaming == 0


async def test_it_answers_now_when_told(name: str) -> None:
    control = Control()
    backend = WordBackend(thought=100_000, reply=3, delay_s=0.001)
    asking = asyncio.ensure_future(Spine(backend).ask(request(effort="max", strategy=spec(name)), control))
    await asyncio.sleep(0.05)
    control.answer_now()
    answer = await asking
    assert answer.text
    assert answer.stop_reason == "answer_now"


async def test_cancelling_it_leaves_nothing_running(name: str) -> None:
    backend = WordBackend(thought=100_000, reply=3, delay_s=0.001)
    asking = asyncio.ensure_future(Spine(backend).ask(request(effort="max", strategy=spec(name))))
    await asyncio.sleep(0.05)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert backend.streaming == 0
