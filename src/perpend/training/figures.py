"""What a run measured: accuracies with their intervals, lengths, time spent."""

from msgspec import Struct

from perpend.statistics import Proportion


class Measured(Struct, frozen=True):
    accuracy: Proportion
    thinking: float
    """Mean tokens of a thought."""
    finished: float
    """Share of replies that came to an answer within the limit."""


Modes = dict[str, dict[str, Measured]]
"""By mode of sampling, then by kind of task."""


class TrainingReport(Struct, frozen=True):
    """measured.json."""

    cpu_s: float
    wall_s: float
    stages: dict[str, Modes]
