"""What training asks of its problems. `data` has such; the two don't know each other, `perpend train` joins them."""

import random
from collections.abc import Sequence
from typing import Protocol


class Problem(Protocol):
    @property
    def text(self) -> str: ...

    def solved_by(self, answer: str) -> bool:
        """The verifier: the reward of reinforcement, and the measure of success."""
        ...


class Thought(Protocol):
    @property
    def text(self) -> str: ...

    @property
    def answer(self) -> str: ...


class Curriculum(Protocol):
    """Where problems come from. The same generator state gives the same problem."""

    @property
    def kinds(self) -> Sequence[str]: ...

    def shown(self, rng: random.Random) -> tuple[Problem, Thought]:
        """A worked example for the cold start."""
        ...

    def tried(self, rng: random.Random) -> Problem:
        """A problem for reinforcement."""
        ...

    def fresh(self, seed: int, kind: str, n: int) -> Sequence[Problem]:
        """Problems that training never sees."""
        ...
