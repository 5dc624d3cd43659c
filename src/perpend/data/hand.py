"""The hand that writes a thought: steady, or slipping now and then as a hurried person does."""

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Hand:
    """`slips` is the share of steps that come out wrong; whatever follows goes on from the wrong value."""

    def __init__(self, rng: random.Random, slips: float) -> None:
        self._rng = rng
        self._slips = slips

    def slipping(self) -> bool:
        return self._slips > 0 and self._rng.random() < self._slips

    def number(self, value: int) -> int:
        """`value`, or a number near it, never below 0 where `value` isn't."""
        if not self.slipping():
            return value
        wrong = value + self._rng.choice((-10, -2, -1, 1, 2, 10))
        return wrong if wrong >= 0 or value < 0 else value + 1

    def digit(self, value: int) -> int:
        """`value`, or another of 0 … 9."""
        return self._rng.choice([d for d in range(10) if d != value]) if self.slipping() else value

    def one_of(self, right: T, others: Sequence[T]) -> T:
        """`right`, or one of the others where there are any."""
        return self._rng.choice(others) if others and self.slipping() else right


STEADY = Hand(random.Random(0), 0.0)
"""Never slips: what it finds is the right answer."""
