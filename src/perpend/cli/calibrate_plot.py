# pyright: basic, reportMissingImports=false
# the plot library comes with the extra `bench`; types are checked where it isn't installed
"""Requested against used thinking tokens, as a picture."""

from pathlib import Path
from typing import Any

from perpend.accounting.calibration import Calibration
from perpend.errors import ConfigError


def draw(calibration: Calibration, path: Path) -> None:
    """Writes a PNG. Raises ConfigError where the extra isn't installed."""
    try:
        import vl_convert
    except ImportError as error:
        raise ConfigError(f"{error.name} isn't installed", hint="pip install 'perpend[bench]'") from None
    path.write_bytes(vl_convert.vegalite_to_png(spec(calibration), scale=2))


def spec(calibration: Calibration) -> dict[str, Any]:
    """A point for each prompt, the medians, and the line on which used is what was requested (Vega-Lite)."""
    values = [
        {"asked": _asked(point), "requested": point.budget, "used": used}
        for point in calibration.points
        for used in point.used
    ]
    order = list(dict.fromkeys(value["asked"] for value in values))
    x = {"field": "asked", "type": "ordinal", "sort": order, "title": "requested", "axis": {"labelAngle": 0}}
    y = {"type": "quantitative", "title": "thinking tokens used"}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "circle", "opacity": 0.35},
            "encoding": {"x": x, "y": {**y, "field": "used"}},
        },
        {
            "mark": {"type": "tick", "thickness": 3, "color": "#d62728", "width": 40},
            "encoding": {"x": x, "y": {**y, "field": "used", "aggregate": "median"}},
        },
        {
            "transform": [{"filter": "datum.requested !== null"}],
            "mark": {"type": "tick", "thickness": 1, "color": "black", "width": 40},
            "encoding": {"x": x, "y": {**y, "field": "requested"}},
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": {
            "text": f"{calibration.model}: thinking on {calibration.prompts} prompts",
            "subtitle": "dots: prompts; red: median; black: the budget",
        },
        "data": {"values": values},
        "width": 70 * len(order),
        "height": 320,
        "layer": layers,
    }


def _asked(point: Any) -> str:
    words = [point.effort or "", "" if point.budget is None else str(point.budget)]
    return " ".join(word for word in words if word)
