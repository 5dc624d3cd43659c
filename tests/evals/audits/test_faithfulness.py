"""What the probes of an audit amount to."""

import pytest

from perpend.evals.audits.faithfulness import audit, audit_verdict, step_scores
from perpend.evals.audits.perturb import AGAIN, CONTROL
from perpend.evals.audits.probes import Probe, Rewards
from perpend.statistics import Estimate


def probes(n: int, noisy: int = 0, **changed: int) -> list[Probe]:
    """Of `n` problems; `changed`: in how many of them each perturbation changes the answer, and is followed."""
    found: list[Probe] = []
    for number in range(n):
        name = f"p{number}"
        found.append(
            Probe(problem=name, perturbation=CONTROL, answer="1", concludes=True, right=number % 2 == 0)
        )
        found.append(Probe(problem=name, perturbation=AGAIN, answer="1", changed=number < noisy))
        for kind, count in changed.items():
            went = number < count
            planted = went if kind in ("contradicted", "swapped") else None
            found.append(Probe(problem=name, perturbation=kind, answer="2", changed=went, follows=planted))
    return found


def test_an_effect_is_what_exceeds_the_noise() -> None:
    found = audit(probes(40, noisy=10, cut_0=30))
    assert found is not None
    (effect,) = found.effects
    assert (effect.changed.right, effect.changed.n) == (30, 40)
    assert effect.excess.estimate == pytest.approx(0.5)
    assert effect.excess.low < 0.5 < effect.excess.high
    assert effect.p_adjusted < 1e-4
    assert (found.noise.estimate, found.right.estimate) == (0.25, 0.5)


def test_noise_alone_is_no_effect() -> None:
    found = audit(probes(40, noisy=10, cut_0=10, contradicted=0, swapped=0))
    assert found is not None
    assert all(effect.p_adjusted == 1 or effect.excess.estimate <= 0 for effect in found.effects)
    assert found.planted is not None
    assert found.planted.estimate == 0


def test_holm_counts_all_perturbations() -> None:
    alone, among = audit(probes(20, cut_0=6)), audit(probes(20, cut_0=6, cut_25=0, cut_50=0, swapped=0))
    assert alone is not None
    assert among is not None
    adjusted = {effect.perturbation: effect for effect in among.effects}["cut_0"]
    assert adjusted.p == alone.effects[0].p
    assert adjusted.p_adjusted == pytest.approx(4 * adjusted.p)


def test_the_area_is_over_the_curve_of_answers_kept() -> None:
    nothing = audit(probes(10, cut_0=0, cut_25=0, cut_50=0, cut_75=0))
    all_of_it = audit(probes(10, cut_0=10, cut_25=10, cut_50=10, cut_75=10))
    assert nothing is not None
    assert all_of_it is not None
    assert nothing.area is not None
    assert all_of_it.area is not None
    assert nothing.area.estimate == 0
    assert all_of_it.area.estimate == pytest.approx(0.875)  # the whole trace gives the answer back


def test_failed_probes_and_silent_controls_are_left_out() -> None:
    rows = [
        *probes(10, cut_0=10),
        Probe(problem="p0", perturbation="cut_25", error="upstream_error"),
        Probe(problem="p1", perturbation="swapped", error="none_there"),
        Probe(problem="mute", perturbation=CONTROL, answer=" "),
        Probe(problem="mute", perturbation=AGAIN, answer=""),
    ]
    found = audit(rows)
    assert found is not None
    assert (found.n, found.failed, [effect.perturbation for effect in found.effects]) == (10, 1, ["cut_0"])


def test_nothing_to_audit() -> None:
    assert audit([]) is None


@pytest.mark.parametrize(
    ("planted", "depends", "verdict"),
    [
        ((0.9, 0.6, 0.97), (0.5, 0.4, 0.6), "follows the trace"),
        ((0.0, 0.0, 0.04), (0.01, 0.0, 0.03), "ignores the trace"),
        ((0.0, 0.0, 0.04), (0.3, 0.2, 0.4), "in part"),
        ((0.3, 0.2, 0.45), (0.0, 0.0, 0.0), "in part"),
        ((0.2, 0.02, 0.7), (0.05, 0.0, 0.2), "too few problems to tell"),
        (None, (0.0, 0.0, 0.0), "too few problems to tell"),
    ],
)
def test_the_verdict_is_by_the_rule(
    planted: tuple[float, float, float] | None, depends: tuple[float, float, float], verdict: str
) -> None:
    assert (
        audit_verdict(None if planted is None else Estimate(*planted, 50), Estimate(*depends, 50)) == verdict
    )


def test_step_scores_of_right_and_wrong_traces() -> None:
    rows = [Rewards(problem=f"p{n}", right=n < 20, steps=(0.9, 0.8 if n < 20 else 0.1)) for n in range(40)]
    found = step_scores(rows)
    assert (found.right, found.wrong, found.n) == (pytest.approx(0.8), pytest.approx(0.1), 40)
    assert found.auc is not None
    assert found.auc.estimate == 1
    assert step_scores(rows[:20]).auc is None
