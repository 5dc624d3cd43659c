"""The report's charts, as Vega-Lite specs."""

from collections.abc import Sequence
from typing import Any

from perpend.evals.reports.report import Reported

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_SIZE = {"width": 440, "height": 260}
_ACCURACY = {
    "field": "accuracy",
    "type": "quantitative",
    "scale": {"zero": False},
    "title": "accuracy, 95 % interval",
}
_INTERVAL = {"y": {**_ACCURACY, "field": "low"}, "y2": {"field": "high"}}
_BELOW = {"orient": "bottom", "columns": 2, "labelLimit": 260}
_RIGHT = {"domain": ["right", "wrong"], "range": ["#2a7f62", "#d1495b"]}


def by_tokens(runs: Sequence[Reported]) -> dict[str, Any]:
    """Accuracy against the mean of output tokens, with intervals."""
    values = [
        {
            "run": run.name,
            "tokens": max(run.output_tokens, 1),
            **_accuracy(run),
        }
        for run in runs
    ]
    x = {
        "field": "tokens",
        "type": "quantitative",
        "scale": {"type": "log", "nice": True},
        "title": "output tokens of an answer, mean",
    }
    encoding = {"x": x, "y": _ACCURACY, "color": {"field": "run", "type": "nominal", "legend": _BELOW}}
    return {
        "$schema": _SCHEMA,
        **_SIZE,
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {**encoding, **_INTERVAL}},
            {"mark": {"type": "point", "filled": True, "size": 80}, "encoding": encoding},
        ],
    }


def lengths(run: Reported, thoughts: bool = True) -> dict[str, Any]:
    """The distribution of thinking tokens, or of answer tokens, for right and wrong answers."""
    values = [
        {
            "tokens": sample.usage.thinking if thoughts else sample.usage.answer,
            "answer": "right" if sample.correct else "wrong",
        }
        for sample in run.samples
    ]
    return {
        "$schema": _SCHEMA,
        **_SIZE,
        "height": 200,
        "data": {"values": values},
        "mark": {"type": "bar", "opacity": 0.6},
        "encoding": {
            "x": {
                "field": "tokens",
                "type": "quantitative",
                "bin": {"maxbins": 30, "minstep": 1},
                "title": f"{'thinking' if thoughts else 'answer'} tokens of a sample",
            },
            "y": {"aggregate": "count", "stack": None, "title": "samples"},
            "color": {"field": "answer", "type": "nominal", "scale": _RIGHT, "title": None, "legend": _BELOW},
        },
    }


def budgets(runs: Sequence[Reported]) -> dict[str, Any] | None:
    """Accuracy by thinking budget, a line for each model and strategy; None where there are fewer than two budgets."""
    values = [
        {
            "series": f"{run.header.settings.model or 'default'}, {_strategy(run)}",
            "budget": run.header.settings.max_thinking_tokens,
            **_accuracy(run),
        }
        for run in runs
        if run.header.settings.max_thinking_tokens is not None
    ]
    if len({value["budget"] for value in values}) < 2:
        return None
    x = {"field": "budget", "type": "ordinal", "title": "thinking budget", "axis": {"labelAngle": 0}}
    colour = {"field": "series", "type": "nominal", "legend": _BELOW, "title": None}
    encoding = {"x": x, "y": _ACCURACY, "color": colour}
    return {
        "$schema": _SCHEMA,
        **_SIZE,
        "data": {"values": values},
        "layer": [
            {"mark": "line", "encoding": encoding},
            {"mark": {"type": "point", "filled": True}, "encoding": encoding},
            {"mark": {"type": "rule", "opacity": 0.5}, "encoding": {**encoding, **_INTERVAL}},
        ],
    }


def _accuracy(run: Reported) -> dict[str, float]:
    accuracy = run.accuracy
    return {"accuracy": accuracy.estimate, "low": accuracy.low, "high": accuracy.high}


def _strategy(run: Reported) -> str:
    strategy = run.header.settings.strategy
    return strategy if isinstance(strategy, str) else str(strategy.get("name"))
