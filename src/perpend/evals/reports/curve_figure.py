"""A curve's picture, as a Vega-Lite spec: accuracy by budget, the dip, and where shedding goes."""

from typing import Any

from perpend.accounting.curves import Curve

_DIP = "#d1495b"
_COLOURS = {
    "measured": "#7f7f7f",
    "in the dip": _DIP,
    "kept": "#222222",
    "knee": "#2a7f62",
    "off": "#e08e2b",
}


def picture(curve: Curve) -> dict[str, Any]:
    """The steps are those of the largest budget. Budgets stand at equal distances, as they are rarely even."""
    points = curve.points
    values = [
        {
            "budget": point.budget,
            "accuracy": point.accuracy.estimate,
            "low": point.accuracy.low,
            "high": point.accuracy.high,
            "is": _name(curve, point.budget),
        }
        for point in points
    ]
    shown = [name for name in _COLOURS if any(value["is"] == name for value in values)]
    x = {
        "field": "budget",
        "type": "ordinal",
        "title": "thinking budget, tokens",
        "axis": {"labelAngle": 0, "format": ",d"},
        "scale": {"type": "band", "padding": 0},
    }
    y = {"field": "accuracy", "type": "quantitative", "title": "accuracy, 95 % interval"}
    colour = {
        "field": "is",
        "type": "nominal",
        "title": None,
        "scale": {"domain": shown, "range": [_COLOURS[name] for name in shown]},
        "legend": {"orient": "top"},
    }
    dip = [{"budget": point.budget} for point in points if 0 < point.budget <= curve.dip]
    band = {"mark": {"type": "bar", "opacity": 0.12, "color": _DIP, "width": {"band": 1}}}
    layers: list[dict[str, Any]] = [
        {**band, "data": {"values": dip}, "encoding": {"x": x, "y": {"datum": 0}, "y2": {"datum": 1}}},
        {"mark": {"type": "line", "color": "#9a9a9a"}, "encoding": {"x": x, "y": y}},
        {
            "mark": {"type": "rule", "strokeWidth": 2},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 110, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": colour},
        },
    ]
    kept, *lower = curve.steps(points[-1].budget)
    steps = "".join(f" → {step:,}" if step else " → off" for step in lower) or " is kept"
    asked = f"{curve.source.suite}, {curve.problems:,} problems × {points[0].samples}"
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {
            "text": f"{curve.model}: accuracy by thinking budget",
            "subtitle": f"{asked}; under load {kept:,}{steps}",
        },
        "data": {"values": values},
        "width": max(320, 84 * len(points)),
        "height": 300,
        "layer": layers,
    }


def _name(curve: Curve, budget: int) -> str:
    most = curve.points[-1].budget
    if budget == most:
        return "kept"
    if budget in curve.steps(most):
        return "knee" if budget else "off"
    return "in the dip" if 0 < budget <= curve.dip else "measured"
