"""What a run measured: accuracies with their intervals, lengths, time spent."""

import math

from msgspec import Struct


class Proportion(Struct, frozen=True):
    """Successes of `n` tries with the 95 % interval of Wilson (1927)."""

    right: int
    n: int
    estimate: float
    low: float
    high: float


class Measured(Struct, frozen=True):
    accuracy: Proportion
    thinking: float
    """Mean tokens of a thought."""
    finished: float
    """Share of replies that came to an answer within the limit."""


Modes = dict[str, dict[str, Measured]]
"""By mode of sampling, then by kind of task."""


class Report(Struct, frozen=True):
    """measured.json."""

    cpu_s: float
    wall_s: float
    stages: dict[str, Modes]


def proportion(right: int, n: int) -> Proportion:
    z, p = 1.96, right / n
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Proportion(right, n, p, (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n))
