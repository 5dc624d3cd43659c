"""The interface of training's problems. `data` implements it; neither imports the other, `perpend train` joins them."""

import random
from collections.abc import Sequence
from typing import Protocol


class TrainingProblem(Protocol):
    @property
    def text(self) -> str: ...

    def solved_by(self, answer: str) -> bool:
        """The verifier: the reward of reinforcement, and the measure of success."""
        ...


class TrainingThought(Protocol):
    @property
    def text(self) -> str: ...

    @property
    def answer(self) -> str: ...


class ProblemSource(Protocol):
    """Where problems come from. The same generator state gives the same problem."""

    @property
    def kinds(self) -> Sequence[str]: ...

    def worked_example(self, rng: random.Random) -> tuple[TrainingProblem, TrainingThought]:
        """A worked example for the cold start."""
        ...

    def problem_to_try(self, rng: random.Random) -> TrainingProblem:
        """A problem for reinforcement."""
        ...

    def fresh(self, seed: int, kind: str, n: int) -> Sequence[TrainingProblem]:
        """Problems that training never sees."""
        ...
