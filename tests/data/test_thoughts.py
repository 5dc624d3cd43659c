"""The mixture: every style is what it says, and errors are as frequent as asked."""

import random

from perpend.data.tasks import fresh
from perpend.data.thoughts import CHECK, Mixture, think

NONE = {"direct": 0.0, "partial": 0.0, "checked": 0.0, "error_rate": 0.0}
PROBLEMS = fresh(1, "chain", 300, "train")


def thoughts(**mixture: float) -> list[tuple[str, bool]]:
    rng = random.Random(1)
    made = [(problem, think(rng, problem, Mixture(**{**NONE, **mixture}))) for problem in PROBLEMS]
    return [(thought.text, problem.solved_by(thought.answer)) for problem, thought in made]


def test_a_direct_answer_has_no_thought() -> None:
    assert set(thoughts(direct=1.0)) == {("", True)}


def test_a_partial_thought_breaks_off_anywhere_and_still_answers_right() -> None:
    some = thoughts(partial=1.0)
    assert all(right for _, right in some)
    assert len({len(text) for text, _ in some}) > 20


def test_full_thoughts_slip_and_checking_repairs() -> None:
    full = [right for _, right in thoughts(error_rate=0.1)]
    checked = thoughts(checked=1.0, error_rate=0.1, careful_error_rate=0.01)
    assert all(text.split("\n").count(CHECK) == 2 for text, _ in checked)
    assert 0.3 < sum(full) / len(full) < 0.7
    assert sum(right for _, right in checked) / len(checked) > 0.85
    assert all(right for _, right in thoughts())


def test_some_look_once_more() -> None:
    looks = [text.split("\n").count(CHECK) for text, _ in thoughts(checked=0.5)]
    assert set(looks) == {0, 1, 2}


def test_an_empty_draft_can_be_checked_too() -> None:
    assert all(text.startswith(f"\n{CHECK}\n") for text, _ in thoughts(direct=1.0, checked=1.0))


def test_the_same_seed_gives_the_same_thoughts() -> None:
    assert thoughts(partial=0.5, checked=0.5) == thoughts(partial=0.5, checked=0.5)
