"""Requested against used thinking tokens, as a picture."""

from typing import Any

from perpend.accounting.calibration import Calibration, CalibrationPoint
from perpend.types import EFFORTS

_COLOURS = {"a prompt": "#4c78a8", "median": "#d62728", "its budget": "#222222"}


def spec(calibration: Calibration) -> dict[str, Any]:
    """A Vega-Lite spec with a column for each setting: its prompts in the same order, their median, and the budget."""
    values = [
        {"asked": _setting_label(point), "budget": point.budget, "prompt": prompt, "used": used}
        for point in sorted(calibration.points, key=_order)
        for prompt, used in enumerate(point.used)
    ]
    order = list(dict.fromkeys(value["asked"] for value in values))
    ticks = [0, *(2**power for power in range(4, _largest(values).bit_length() + 1))]
    x: dict[str, Any] = {
        "field": "asked",
        "type": "ordinal",
        "sort": order,
        "title": "requested: an effort, its budget, or a budget alone",
        "axis": {"labelAngle": 0, "labelExpr": "split(datum.label, ' ')", "grid": False},
    }
    y: dict[str, Any] = {
        "type": "quantitative",
        "title": "thinking tokens used",
        "scale": {"type": "symlog", "constant": 16, "domain": [0, ticks[-1]], "nice": False},
        "axis": {"values": ticks, "format": ",d"},
    }
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "datum.budget !== null"}],
            "mark": {"type": "tick", "thickness": 2, "width": 72},
            "encoding": {"x": x, "y": {**y, "field": "budget"}, "color": _legend("its budget")},
        },
        {
            "mark": {"type": "tick", "thickness": 5, "width": 44},
            "encoding": {
                "x": x,
                "y": {**y, "field": "used", "aggregate": "median"},
                "color": _legend("median"),
            },
        },
        {
            "mark": {"type": "circle", "opacity": 0.7, "size": 36},
            "encoding": {
                "x": x,
                "xOffset": {"field": "prompt", "type": "ordinal", "scale": {"paddingOuter": 2}},
                "y": {**y, "field": "used"},
                "color": _legend("a prompt"),
            },
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": f"{calibration.model}: requested against used, {calibration.prompts} prompts",
        "data": {"values": values},
        "width": 84 * len(order),
        "height": 340,
        "layer": layers,
        "config": {"legend": {"title": None, "orient": "top", "symbolOpacity": 1}},
    }


def _order(point: CalibrationPoint) -> tuple[bool, int, int]:
    """Order by effort, then by budget."""
    return point.effort is None, EFFORTS.index(point.effort or "none"), point.budget or 0


def _setting_label(point: CalibrationPoint) -> str:
    words = [point.effort or "", "" if point.budget is None else f"{point.budget:,}"]
    return " ".join(word for word in words if word)


def _largest(values: list[dict[str, Any]]) -> int:
    return max(max(value["used"], value["budget"] or 0) for value in values) - 1


def _legend(label: str) -> dict[str, Any]:
    return {
        "datum": label,
        "scale": {"domain": list(_COLOURS), "range": list(_COLOURS.values())},
        "type": "nominal",
    }
