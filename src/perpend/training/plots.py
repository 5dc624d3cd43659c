# pyright: basic, reportMissingImports=false
# the plot library comes with the extra `training`; types are checked where it isn't installed
"""Curves of a run, drawn from its log: loss of the cold start, reward and length of reinforcement."""

import json
from pathlib import Path
from typing import Any

import vl_convert


def draw(log: Path, folder: Path) -> list[Path]:
    """Write `<stage>.png` for each stage in the log, and return the paths. Raises OSError."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    fields_by_stage = {"cold_start": ["loss"], "grpo": ["reward", "mixed", "tokens"]}
    paths: list[Path] = []
    for stage, fields in fields_by_stage.items():
        values = [row for row in rows if row["stage"] == stage]
        if not values:
            continue
        paths.append(folder / f"{stage}.png")
        paths[-1].write_bytes(vl_convert.vegalite_to_png(_spec(stage, values, fields), scale=2))
    return paths


def _spec(stage: str, values: list[dict[str, Any]], fields: list[str]) -> dict[str, Any]:
    x = {"field": "step", "type": "quantitative"}
    panels = [
        {
            "width": 420,
            "height": 160,
            "mark": {"type": "line", "clip": True},
            "encoding": {"x": x, "y": {"field": field, "type": "quantitative", "title": field}},
        }
        for field in fields
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "title": stage,
        "data": {"values": values},
        "vconcat": panels,
    }
