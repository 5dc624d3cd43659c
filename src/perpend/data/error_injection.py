"""Injects errors into the steps of a written thought, as a hurried person makes them."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class ErrorInjector:
    """`error_rate`: the share of steps that come out wrong; whatever follows goes on from the wrong value."""

    def __init__(self, rng: random.Random, error_rate: float) -> None:
        self._rng = rng
        self._error_rate = error_rate

    def errs(self) -> bool:
        return self._error_rate > 0 and self._rng.random() < self._error_rate

    def number(self, value: int) -> int:
        """`value`, or a number near it, never below 0 where `value` isn't."""
        if not self.errs():
            return value
        wrong = value + self._rng.choice((-10, -2, -1, 1, 2, 10))
        return wrong if wrong >= 0 or value < 0 else value + 1

    def digit(self, value: int) -> int:
        """`value`, or another of 0 … 9."""
        return self._rng.choice([d for d in range(10) if d != value]) if self.errs() else value

    def one_of(self, right: T, others: Sequence[T]) -> T:
        """`right`, or one of the others where there are any."""
        return self._rng.choice(others) if others and self.errs() else right


NO_ERRORS = ErrorInjector(random.Random(0), 0.0)
"""Injects none."""
