"""The report's pictures, as Vega-Lite specs: one spec for the page and for paper."""

from collections.abc import Sequence
from typing import Any

from perpend.evals.report import Reported

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"
_SIZE = {"width": 440, "height": 260}
_BELOW = {"orient": "bottom", "columns": 2, "labelLimit": 260}
_RIGHT = {"domain": ["right", "wrong"], "range": ["#2a7f62", "#d1495b"]}


def by_tokens(runs: Sequence[Reported]) -> dict[str, Any]:
    """Accuracy against the tokens that it took, with intervals."""
    values = [
        {
            "run": run.name,
            "tokens": max(run.output_tokens, 1),
            "accuracy": run.accuracy.estimate,
            "low": run.accuracy.low,
            "high": run.accuracy.high,
        }
        for run in runs
    ]
    x = {
        "field": "tokens",
        "type": "quantitative",
        "scale": {"type": "log", "nice": True},
        "title": "output tokens of an answer, mean",
    }
    y = {
        "field": "accuracy",
        "type": "quantitative",
        "scale": {"zero": False},
        "title": "accuracy, 95 % interval",
    }
    colour = {
        "field": "run",
        "type": "nominal",
        "legend": {"orient": "bottom", "columns": 2, "labelLimit": 260},
    }
    return {
        "$schema": _SCHEMA,
        **_SIZE,
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "strokeWidth": 2},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
            },
            {
                "mark": {"type": "point", "filled": True, "size": 80},
                "encoding": {"x": x, "y": y, "color": colour},
            },
        ],
    }


def lengths(run: Reported) -> dict[str, Any]:
    """How long the thoughts of right and of wrong answers are."""
    values = [
        {"tokens": sample.usage.thinking, "answer": "right" if sample.correct else "wrong"}
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
                "title": "thinking tokens of a sample",
            },
            "y": {"aggregate": "count", "stack": None, "title": "samples"},
            "color": {"field": "answer", "type": "nominal", "scale": _RIGHT, "title": None, "legend": _BELOW},
        },
    }


def budgets(runs: Sequence[Reported]) -> dict[str, Any] | None:
    """Accuracy by thinking budget, a line for each strategy and model; None where no two budgets are there."""
    values = [
        {
            "series": f"{run.header.settings.model or 'default'}, {_strategy(run)}",
            "budget": run.header.settings.max_thinking_tokens,
            "accuracy": run.accuracy.estimate,
            "low": run.accuracy.low,
            "high": run.accuracy.high,
        }
        for run in runs
        if run.header.settings.max_thinking_tokens is not None
    ]
    if len({value["budget"] for value in values}) < 2:
        return None
    x = {"field": "budget", "type": "ordinal", "title": "thinking budget", "axis": {"labelAngle": 0}}
    y = {
        "field": "accuracy",
        "type": "quantitative",
        "scale": {"zero": False},
        "title": "accuracy, 95 % interval",
    }
    colour = {
        "field": "series",
        "type": "nominal",
        "legend": _BELOW,
        "title": None,
    }
    encoding = {"x": x, "y": y, "color": colour}
    return {
        "$schema": _SCHEMA,
        **_SIZE,
        "data": {"values": values},
        "layer": [
            {"mark": "line", "encoding": encoding},
            {"mark": {"type": "point", "filled": True}, "encoding": encoding},
            {
                "mark": {"type": "rule", "opacity": 0.5},
                "encoding": {**encoding, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
        ],
    }


def _strategy(run: Reported) -> str:
    strategy = run.header.settings.strategy
    return strategy if isinstance(strategy, str) else str(strategy.get("name"))
