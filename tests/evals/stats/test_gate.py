"""A gate fails on a drop that is too large and no chance, and says where it can't tell."""

import pytest

from perpend.evals.stats.gate import GateVerdict, gate_verdict
from perpend.statistics import Estimate


@pytest.mark.parametrize(
    ("estimate", "low", "high", "verdict"),
    [
        (0.01, -0.01, 0.03, "not worse"),
        (-0.01, -0.015, -0.005, "not worse"),
        (-0.10, -0.15, -0.05, "worse"),
        (-0.03, -0.08, 0.02, "too few problems to tell"),
        (-0.015, -0.025, -0.005, "too few problems to tell"),
    ],
)
def test_two_points_are_accepted(estimate: float, low: float, high: float, verdict: GateVerdict) -> None:
    assert gate_verdict(Estimate(estimate, low, high, 100), 0.02) == verdict
