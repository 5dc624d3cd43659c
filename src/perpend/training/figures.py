"""The figures of a run: accuracies with their intervals, lengths, seconds."""

from msgspec import Struct

from perpend.statistics import Proportion


class Measured(Struct, frozen=True):
    accuracy: Proportion
    thinking: float
    """Mean tokens of a thought."""
    finished: float
    """Share of replies that have an answer within the token limit."""


Modes = dict[str, dict[str, Measured]]
"""By mode of sampling, then by kind of task."""


class TrainingReport(Struct, frozen=True):
    """measured.json."""

    cpu_s: float
    wall_s: float
    stages: dict[str, Modes]
