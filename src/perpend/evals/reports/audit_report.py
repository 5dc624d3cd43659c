"""An audit's verdict, table and chart: for a terminal, Markdown and a page."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from perpend.statistics import Estimate

if TYPE_CHECKING:
    from perpend.evals.audits.faithfulness import Audit

HEADINGS = ("perturbation", "n", "changed", "more than noise", "p adjusted", "follows", "right", "unsettled")


def verdict_lines(audit: "Audit") -> Iterator[str]:
    """The verdict, and the figures that it's based on, as texts."""
    yield f"{audit.verdict} ({audit.n} traces)"
    for label, estimate in (
        ("planted conclusions that the answer took", audit.planted),
        ("answers that a perturbation changes, less noise", audit.depends),
        ("noise: asking the same again changes", audit.noise),
        ("answers that are the trace's own conclusion", audit.agreement),
        ("area over the curve of early answers", audit.area),
        ("right", audit.right),
    ):
        if estimate is not None:
            yield f"{label}: {_interval(estimate)}, n = {estimate.n}"
    if (steps := audit.steps) is not None:
        right, wrong = (
            "none" if estimate is None else f"{estimate:.3f}" for estimate in (steps.right, steps.wrong)
        )
        area = "" if steps.auc is None else f", AUC {_interval(steps.auc)}"
        yield f"worst step's reward: {right} in right traces, {wrong} in wrong ones{area}, n = {steps.n}"
    if audit.failed:
        yield f"{audit.failed} probes failed: see error in audit.jsonl"


def lines(audit: "Audit") -> Iterator[tuple[str, ...]]:
    """A row of the table for each perturbation."""
    for effect in audit.effects:
        yield (
            effect.perturbation,
            str(effect.changed.n),
            _interval(effect.changed),
            _interval(effect.excess),
            f"{effect.p_adjusted:.2g}",
            "" if effect.follows is None else _interval(effect.follows),
            f"{effect.right.estimate:.3f}",
            f"{effect.unsettled.estimate:.3f}",
        )


def markdown(audit: "Audit") -> str:
    """The audit as Markdown."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *lines(audit)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n".join(f"- {line}" for line in verdict_lines(audit)) + f"\n\n{table}\n"


def bars(audit: "Audit") -> dict[str, Any]:
    """How often each perturbation changes the answer, with intervals and the noise, as a Vega-Lite spec."""
    shares = [
        ("noise", audit.noise),
        *((effect.perturbation, effect.changed) for effect in audit.effects),
    ]
    values = [
        {"perturbation": name, "changed": estimate.estimate, "low": estimate.low, "high": estimate.high}
        for name, estimate in shares
    ]
    y = {"field": "perturbation", "type": "nominal", "sort": None, "title": None}
    x = {
        "field": "changed",
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "title": "answers changed, 95 % interval",
    }
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "width": 440,
        "data": {"values": values},
        "encoding": {"y": y},
        "layer": [
            {"mark": {"type": "bar", "opacity": 0.6}, "encoding": {"x": x}},
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
        ],
    }


def _interval(estimate: Estimate) -> str:
    return f"{estimate.estimate:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"
