"""Beam search finds a word letter by letter, inside the budget, and answers with the best of what it has."""

from typing import Any

import pytest
from letter_game import LetterBackend, Right
from spine import Spine, request

from perpend.errors import BadRequest
from perpend.strategies.beam import best_of
from perpend.strategies.thoughts import ThoughtNode
from perpend.types import Answer, StrategySpec, VerifierSpec


async def searched(
    word: str, *, rates: bool = True, tokens: int = 200, length: int = 4, **options: Any
) -> tuple[Answer, LetterBackend, Right]:
    backend, right = LetterBackend(length=length), Right(word, rates_thoughts=rates)
    spec = StrategySpec("beam", {"step": " ", "step_tokens": 4, **options}, VerifierSpec("right"))
    answer = await Spine(backend, verifier=right).ask(request(max_thinking_tokens=tokens, strategy=spec))
    return answer, backend, right


@pytest.mark.parametrize("diverse", [False, True])
async def test_the_best_thoughts_go_on(diverse: bool) -> None:
    answer, _, _ = await searched("cabc", width=2, expand=3, diverse=diverse)
    assert (answer.text, answer.thinking) == ("cabc", "c a b c")
    assert answer.candidates[0].score == 1.0


async def test_each_step_is_one_call_of_each_kept_thought_for_each_way_on() -> None:
    _, backend, _ = await searched("cabc", width=1, expand=3)
    thinking = [call.continuation.removeprefix(call.family.open) for call in backend.calls if call.pause]
    assert thinking == [""] * 3 + ["c "] * 3 + ["c a "] * 3 + ["c a b "] * 3


async def test_equal_steps_count_once() -> None:
    _, _, right = await searched("cabc", width=2, expand=3)
    assert sorted(right.rated[:3]) == ["a", "b", "c"]


async def test_diverse_thoughts_do_not_compete() -> None:
    """Both trees see all letters, and each keeps the right one."""
    _, _, right = await searched("cabc", width=2, expand=3, diverse=True)
    assert sorted(right.rated[:6]) == ["a", "a", "b", "b", "c", "c"]
    trees = [
        ThoughtNode("x", score=0.9, tree=0),
        ThoughtNode("y", score=0.8, tree=0),
        ThoughtNode("z", score=0.1, tree=1),
    ]
    assert [thought.text for thought in best_of(trees, 2, diverse=True)] == ["x", "z"]
    assert [thought.text for thought in best_of(trees, 2, diverse=False)] == ["x", "y"]


async def test_a_verifier_of_answers_is_shown_answers_and_the_first_that_passes_ends_it() -> None:
    answer, backend, _ = await searched("ca", rates=False, width=2, expand=3)
    assert answer.text == "ca"
    passed = [one.answer for one in answer.candidates if one.verdict is not None and one.verdict.passed]
    assert passed == ["ca"]
    asked = [call.continuation.removeprefix(call.family.open) for call in backend.calls if call.pause]
    assert not [thought for thought in asked if len(thought.split()) > 1], "nothing went on after it"


async def test_where_whole_steps_have_no_room_the_best_thought_is_ended_with_what_is_left() -> None:
    """Six steps of up to four tokens fit once into 28; three letters more end each of the two best."""
    answer, backend, _ = await searched("cabc", width=2, expand=3, tokens=28)
    assert len([call for call in backend.calls if call.pause]) == 6
    assert [len(candidate.answer) for candidate in answer.candidates] == [4, 4]
    assert answer.text.startswith("c")
    assert answer.usage.thinking == 12


async def test_half_of_the_thinking_is_kept_for_the_end_of_the_best_thought() -> None:
    """After three levels of six steps, fewer than 18 of 35 tokens are left."""
    _, backend, _ = await searched("cabcabca", length=8, width=2, expand=3, tokens=35, step_tokens=1)
    assert len([call for call in backend.calls if call.pause]) == 18
    assert backend.calls[18].phase == "thinking"
    assert backend.calls[18].max_tokens == 17


async def test_what_the_best_thought_leaves_is_for_the_next() -> None:
    answer, _, _ = await searched("cabcabca", length=8, width=2, expand=3, tokens=24, step_tokens=1)
    assert [(len(one.answer), one.usage.thinking) for one in answer.candidates] == [(8, 6), (8, 6)]


async def test_a_budget_too_small_for_any_step_is_one_thought() -> None:
    answer, backend, _ = await searched("cabc", tokens=10)
    assert not [call for call in backend.calls if call.pause]
    assert answer.text


async def test_its_depth_is_bounded() -> None:
    _, backend, _ = await searched("cabc", width=1, expand=3, depth=2)
    assert len([call for call in backend.calls if call.pause]) == 6


async def test_it_needs_a_verifier() -> None:
    with pytest.raises(BadRequest, match="beam needs a verifier"):
        await Spine(LetterBackend()).ask(request(strategy=StrategySpec("beam")))
