"""Agreement beyond chance, and where to draw the line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpend.types import Verdict
from perpend.verifiers.agreement import agreement, auc, kappa


def verdicts(*scores: float, threshold: float = 0.5) -> list[Verdict]:
    return [Verdict(score, score >= threshold) for score in scores]


def test_a_table_of_known_kappa() -> None:
    """Both say yes to 20, both no to 15, and 5 and 10 apart: 0.4 (the textbook's example)."""
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert kappa(pairs) == pytest.approx(0.4)


def test_what_agrees_always_is_beyond_chance_only_where_labels_differ() -> None:
    assert kappa([(True, True), (False, False)]) == 1
    assert kappa([(True, True), (True, True)]) is None


def test_a_line_drawn_elsewhere_agrees_better() -> None:
    found = agreement(verdicts(0.55, 0.6, 0.8, 0.9), [False, False, True, True])
    assert (found.agreed, found.n, found.false_positives, found.false_negatives) == (2, 4, 2, 0)
    assert (found.threshold, found.kappa_at_threshold, found.auc) == (0.8, 1, 1)


def test_misses_are_counted_apart() -> None:
    found = agreement(verdicts(0.1, 0.9), [True, False])
    assert (found.false_positives, found.false_negatives, found.auc) == (1, 1, 0)


SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=8)


@given(SCORES, SCORES)
def test_auc_counts_pairs(right: list[float], wrong: list[float]) -> None:
    pairs = [(one > other) + (one == other) / 2 for one in right for other in wrong]
    assert auc(right, wrong) == pytest.approx(sum(pairs) / len(pairs))
