"""How well verdicts agree with labels, and the score at which a verifier should pass a candidate."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from msgspec import Struct

from perpend.types import Verdict


class Agreement(Struct, frozen=True):
    """Of `n` verdicts with their labels."""

    n: int
    agreed: int
    false_positives: int
    """Passed, and labelled wrong."""
    false_negatives: int
    """Not passed, and labelled right."""
    kappa: float | None
    """Cohen's kappa (1960), agreement beyond chance; None where chance agreement is 1."""
    auc: float | None
    """How often a right candidate scores higher than a wrong one; None where all labels are alike."""
    threshold: float
    """The least passing score that would have agreed best with these labels, by kappa."""
    kappa_at_threshold: float | None


def agreement(verdicts: Sequence[Verdict], labels: Sequence[bool]) -> Agreement:
    """`labels`: whether each candidate is right; at least one. Raises ValueError where there are fewer or more."""
    pairs = list(zip([verdict.passed for verdict in verdicts], labels, strict=True))
    scores = [verdict.score for verdict in verdicts]
    threshold = max(sorted(set(scores)), key=lambda at: _kappa_at(at, scores, labels) or 0.0)
    right = [score for score, label in zip(scores, labels, strict=True) if label]
    wrong = [score for score, label in zip(scores, labels, strict=True) if not label]
    return Agreement(
        n=len(pairs),
        agreed=sum(passed == label for passed, label in pairs),
        false_positives=sum(passed and not label for passed, label in pairs),
        false_negatives=sum(label and not passed for passed, label in pairs),
        kappa=kappa(pairs),
        auc=auc(right, wrong),
        threshold=threshold,
        kappa_at_threshold=_kappa_at(threshold, scores, labels),
    )


def _kappa_at(threshold: float, scores: Sequence[float], labels: Sequence[bool]) -> float | None:
    return kappa([(score >= threshold, label) for score, label in zip(scores, labels, strict=True)])


def kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa of two raters; None where chance agreement is 1."""
    n = len(pairs)
    first, second = (sum(pair[side] for pair in pairs) / n for side in (0, 1))
    chance = first * second + (1 - first) * (1 - second)
    agreed = sum(one == other for one, other in pairs) / n
    return None if chance == 1 else (agreed - chance) / (1 - chance)


def auc(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Area under the ROC curve, ties counted half (Mann & Whitney 1947)."""
    if not right or not wrong:
        return None
    ordered = sorted(wrong)
    below = sum(bisect_left(ordered, score) + bisect_right(ordered, score) for score in right)
    return below / 2 / (len(right) * len(wrong))
