"""What is shown is taught, what is tried is harder too, and neither is ever tested."""

import random

from perpend.data.curriculum import Curriculum
from perpend.data.tasks import kinds, split_of


def test_shown_tried_and_fresh() -> None:
    curriculum, rng = Curriculum(), random.Random(1)
    shown = [curriculum.worked_example(rng)[0] for _ in range(500)]
    tried = [curriculum.problem_to_try(rng) for _ in range(500)]
    assert all(problem.difficulty in kinds.get(problem.kind).taught for problem in shown)
    assert any(problem.difficulty not in kinds.get(problem.kind).taught for problem in tried)
    assert {problem.kind for problem in tried} == set(curriculum.kinds)
    assert {split_of(problem.text) for problem in (*shown, *tried)} == {"train"}
    assert {split_of(problem.text) for problem in curriculum.fresh(1, "chain", 50)} == {"test"}
