"""Fewer candidates than were asked for, where a strategy says that it may draw fewer; and that the answer tells it."""

from typing import Any

import pytest
from spine import Spine, request
from words import WordBackend

from perpend.serving.dialects.report import encode, perpend_block
from perpend.solve import Origin, Prepared, narrowed, prepare, solve
from perpend.strategies import draws_of, strategies
from perpend.types import StrategySpec, VerifierSpec


async def prepared_of(name: str, **options: Any) -> Prepared:
    verifier = VerifierSpec("exact", "w0")
    asked = request(strategy=StrategySpec(name, options), verifier=verifier, max_thinking_tokens=100)
    return await prepare(asked, Spine(WordBackend(thought=5, reply=1)).services)


@pytest.mark.parametrize(
    ("name", "option", "asked", "fewest"),
    [
        ("self_consistency", "n", 8, 1),
        ("best_of_n", "n", 4, 1),
        ("beam", "width", 2, 1),
        ("tree", "breadth", 3, 2),
    ],
)
async def test_a_strategy_says_what_it_may_be_narrowed_to(
    name: str, option: str, asked: int, fewest: int
) -> None:
    prepared = await prepared_of(name)
    fewer = narrowed(prepared, "load", fewest)
    assert (fewer.options[option], fewer.plan.narrowed) == (fewest, {option: fewest})
    assert fewer.plan.reason.endswith(f"{option} lowered from {asked} to {fewest}: load")
    assert narrowed(prepared, "load", fewest - 1) is prepared
    assert narrowed(prepared, "load", asked) is prepared


async def test_answers_that_are_all_wanted_and_single_thoughts_stay() -> None:
    for name in ("samples", "single", "budget_forcing"):
        prepared = await prepared_of(name)
        assert narrowed(prepared, "load", 1) is prepared


def test_options_that_say_how_many_are_drawn_are_the_strategies_own() -> None:
    for name in strategies.names():
        draws = draws_of(strategies.get(name))
        if draws is not None:
            assert draws.of({}) == draws.default >= (draws.least or 1)
            assert draws.of({draws.option: 7}) == 7


async def test_the_answer_tells_it_and_says_nothing_otherwise() -> None:
    class Narrowing:
        async def enter(self, prepared: Prepared) -> Prepared:
            return prepared

        async def admit(self, prepared: Prepared) -> Prepared:
            return narrowed(prepared, "load", 2)

        def leave(self, spent: object) -> None:
            """Nothing is held."""

    spine = Spine(WordBackend(thought=5, reply=1))
    wrong = VerifierSpec("exact", "another answer")
    asked = request(strategy=StrategySpec("best_of_n", {"n": 6}), verifier=wrong)
    answer = await solve(asked, spine.services, gate=Narrowing(), origin=Origin("test"))
    assert len(answer.candidates) == 2
    assert b'"narrowed":{"n":2}' in encode(perpend_block(answer))
    whole = await solve(asked, spine.services, origin=Origin("test"))
    assert b"narrowed" not in encode(perpend_block(whole))
