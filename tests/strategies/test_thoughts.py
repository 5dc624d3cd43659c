"""A search over thoughts ends in an answer inside every limit, whatever its ratings cost and wherever it is cut."""

import asyncio
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import pytest
from costs import known
from hypothesis import given
from hypothesis import strategies as st
from spine import FREE, PRICED, Spine, request
from words import WordBackend

from perpend.backends.contract import Call, CallEvent
from perpend.solve import Control
from perpend.types import Answer, Candidate, Message, Request, StrategySpec, Verdict, VerifierSpec
from perpend.verifiers import Task, Verifier

SEARCHES: list[dict[str, Any]] = [
    {"name": "beam", "width": 2, "expand": 2},
    {"name": "beam", "width": 2, "expand": 2, "diverse": True},
    {"name": "tree", "search": "bfs", "breadth": 2},
    {"name": "tree", "search": "dfs", "breadth": 2},
    {"name": "tree", "search": "mcts", "breadth": 2},
]


class Weighing(Verifier):
    """Asks the model, which costs a token and the prompt each time."""

    rates_thoughts = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        said = Message("user", f"{candidate.thinking} {candidate.answer} right?")
        score = (await task.required_model.probabilities([said], ("Yes", "No")))["Yes"]
        return Verdict(score, score > 0.5, "no")


class Refusing(Verifier):
    """Looks at answers alone, and none is right."""

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        return Verdict(0.0, False, "no")


VERIFIERS = [Weighing(), Refusing()]


def asking(search: dict[str, Any], **limits: Any) -> Request:
    options: dict[str, Any] = {"step_tokens": 3, **search}
    spec = StrategySpec(options.pop("name"), options, VerifierSpec("given"))
    return request(strategy=spec, **limits)


@given(
    search=st.sampled_from(SEARCHES),
    verifier=st.sampled_from(VERIFIERS),
    thinking=st.integers(0, 120),
    output=st.none() | st.integers(1, 200),
    cap=st.none() | st.decimals(Decimal("0.0008"), Decimal("0.02"), places=6),
    thought=st.integers(0, 40),
    reply=st.integers(1, 80),
)
async def test_it_answers_inside_every_limit(
    search: dict[str, Any],
    verifier: Verifier,
    thinking: int,
    output: int | None,
    cap: Decimal | None,
    thought: int,
    reply: int,
) -> None:
    backend = WordBackend(thought=thought, reply=reply)
    spine = Spine(backend, price=FREE if cap is None else PRICED, verifier=verifier)
    asked = asking(search, max_thinking_tokens=thinking, max_output_tokens=output, max_cost_usd=cap)
    answer = await spine.ask(asked)
    assert answer.text
    assert answer.usage.thinking <= thinking
    assert output is None or answer.usage.output <= output
    assert cap is None or known(answer.cost_usd) <= cap
    assert backend.streaming == 0


async def answered_now(search: dict[str, Any], verifier: Verifier, after_calls: int) -> Answer:
    """Somebody wants the answer after so many calls."""
    control = Control()

    class Watched(WordBackend):
        async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
            if len(self.calls) == after_calls:
                control.answer_now()
            async for batch in super().stream(call):
                yield batch

    backend = Watched(thought=1000, reply=3)
    answer = await Spine(backend, verifier=verifier).ask(asking(search, max_thinking_tokens=400), control)
    assert backend.streaming == 0
    return answer


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("verifier", VERIFIERS)
async def test_wherever_it_is_cut_it_answers(search: dict[str, Any], verifier: Verifier) -> None:
    for after_calls in (0, 1, 2, 5, 9, 14, 20):
        answer = await answered_now(search, verifier, after_calls)
        assert answer.text
        assert (answer.truncated, answer.stop_reason) == (True, "answer_now")


@pytest.mark.parametrize("search", SEARCHES)
async def test_a_deadline_ends_it_in_an_answer(search: dict[str, Any]) -> None:
    backend = WordBackend(thought=10_000, reply=5, delay_s=0.001)
    answer = await Spine(backend, verifier=Weighing()).ask(asking(search, effort="max", deadline_ms=400))
    assert answer.text
    assert (answer.truncated, answer.stop_reason) == (True, "deadline")
    assert backend.streaming == 0


@pytest.mark.parametrize("search", SEARCHES)
async def test_cancelled_it_leaves_nothing_running(search: dict[str, Any]) -> None:
    backend = WordBackend(thought=10_000, reply=5, delay_s=0.001)
    spine = Spine(backend, verifier=Weighing())
    running = asyncio.ensure_future(spine.ask(asking(search, effort="max")))
    await asyncio.sleep(0.05)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert backend.streaming == 0
