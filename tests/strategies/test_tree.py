"""Trees of thoughts: level by level, into the depth, and by upper confidence bounds."""

from typing import Any

import pytest
from letter_game import LetterBackend, Right
from spine import Spine, request

from perpend.types import Answer, StrategySpec, VerifierSpec


async def searched(
    word: str, *, rates: bool = True, tokens: int = 400, **options: Any
) -> tuple[Answer, LetterBackend]:
    backend = LetterBackend()
    spec = StrategySpec("tree", {"step": " ", "step_tokens": 2, **options}, VerifierSpec("right"))
    spine = Spine(backend, verifier=Right(word, rates_thoughts=rates))
    return await spine.ask(request(max_thinking_tokens=tokens, strategy=spec)), backend


def steps(backend: LetterBackend) -> list[str]:
    """The thoughts that went on."""
    asked = [call.continuation.removeprefix(call.family.open) for call in backend.calls if call.pause]
    return ["".join(thought.split()) for thought in asked]


@pytest.mark.parametrize("search", ["bfs", "dfs", "mcts"])
@pytest.mark.parametrize("rates", [True, False])
async def test_it_finds_the_word(search: str, rates: bool) -> None:
    answer, _ = await searched("cabc", search=search, rates=rates)
    assert answer.text == "cabc"


async def test_breadth_first_keeps_the_best_of_a_level() -> None:
    _, backend = await searched("cabc", search="bfs", breadth=3)
    assert set(steps(backend)[:3]) == {""}
    assert {thought[0] for thought in steps(backend)[3:12]} == set("abc")
    assert {thought[0] for thought in steps(backend)[12:]} >= {"c"}


async def test_depth_first_goes_on_from_the_best_and_comes_back_from_a_dead_end() -> None:
    """Three letters are as deep as it may go, so none of the words passes."""
    _, backend = await searched("cabc", search="dfs", breadth=3, depth=3, nodes=12)
    assert steps(backend)[::3] == ["", "c", "ca", "cc"]


async def test_no_more_steps_than_nodes_are_taken() -> None:
    for search in ("bfs", "dfs", "mcts"):
        answer, backend = await searched("cabc", search=search, nodes=10)
        assert len(steps(backend)) <= 10
        assert answer.text


async def test_a_monte_carlo_search_prefers_what_is_rated_well_and_still_tries_the_rest() -> None:
    _, backend = await searched("cabc", search="mcts", exploration=0.0, nodes=12)
    assert steps(backend)[::3] == ["", "c", "ca", "cab"]
    _, backend = await searched("cabc", search="mcts", exploration=10.0, nodes=12)
    assert set(steps(backend)[::3]) == {"", "a", "b", "c"}


async def test_the_budget_ends_it_with_the_best_so_far() -> None:
    answer, _ = await searched("cabc", search="mcts", tokens=14)
    assert answer.usage.thinking <= 14
    assert answer.text.startswith("c")
