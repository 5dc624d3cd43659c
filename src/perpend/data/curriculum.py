"""What the tiny reasoner learns from: worked examples to begin with, problems to try, fresh ones to be tested on."""

import random

from perpend.data.tasks import TaskProblem, draw, fresh, kinds
from perpend.data.thoughts import IMPERFECT, Mixture, WrittenThought, think


class Curriculum:
    """Training reads this and nothing else of `data`; whoever trains hands it over."""

    def __init__(self, mixture: Mixture = IMPERFECT) -> None:
        self.kinds = kinds.names()
        self._mixture = mixture

    def worked_example(self, rng: random.Random) -> tuple[TaskProblem, WrittenThought]:
        """A worked example, no harder than what is taught."""
        name = rng.choice(self.kinds)
        problem = draw(rng, name, rng.choice(kinds.get(name).taught), "train")
        return problem, think(rng, problem, self._mixture)

    def problem_to_try(self, rng: random.Random) -> TaskProblem:
        """A problem to try, of any level."""
        name = rng.choice(self.kinds)
        return draw(rng, name, rng.choice(kinds.get(name).levels), "train")

    def fresh(self, seed: int, kind: str, n: int) -> list[TaskProblem]:
        """Problems whose texts never occur in training."""
        return fresh(seed, kind, n)
