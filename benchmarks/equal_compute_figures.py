"""Accuracies at equal budgets: intervals, paired tests, what a right answer costs, and where more stops helping."""

import math
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec import Struct

from perpend.statistics import Proportion, mcnemar, proportion

_INPUT_USD, _CACHED_USD, _OUTPUT_USD = 0.10, 0.02, 0.40
"""A million tokens of a small hosted model, so that what isn't output counts for something too."""
_KNEE = 0.02
"""Accuracy that more budget must still be able to bring."""


class Row(Struct, frozen=True, kw_only=True):
    id: str
    strategy: str
    budget: int
    right: bool
    thinking: int
    output: int
    input: int
    cached: int
    candidates: int
    truncated: bool
    seconds: float

    @property
    def usd(self) -> float:
        fresh = self.input - self.cached
        return (fresh * _INPUT_USD + self.cached * _CACHED_USD + self.output * _OUTPUT_USD) / 1e6


class Cell(Struct, frozen=True, kw_only=True):
    """One strategy at one budget."""

    strategy: str
    budget: int
    accuracy: Proportion
    tokens: float
    """Output tokens used, mean."""
    seconds: float
    usd_per_correct: float
    candidates: float
    better: int
    """Problems that it solved and `single` didn't, at the same budget."""
    worse: int
    p: float
    """Exact McNemar, two-sided."""


def cells(rows: Iterable[Row]) -> list[Cell]:
    groups: dict[tuple[str, int], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        groups[row.strategy, row.budget][row.id] = row
    found: list[Cell] = []
    for (strategy, budget), group in groups.items():
        single = groups.get(("single", budget), {})
        pairs = [(single[id_].right, row.right) for id_, row in group.items() if id_ in single]
        better, worse = pairs.count((False, True)), pairs.count((True, False))
        n, right = len(group), sum(row.right for row in group.values())
        found.append(
            Cell(
                strategy=strategy,
                budget=budget,
                accuracy=proportion(right, n),
                tokens=sum(row.output for row in group.values()) / n,
                seconds=sum(row.seconds for row in group.values()) / n,
                usd_per_correct=sum(row.usd for row in group.values()) / right if right else math.inf,
                candidates=sum(row.candidates for row in group.values()) / n,
                better=better,
                worse=worse,
                p=mcnemar(better, worse),
            )
        )
    return sorted(found, key=lambda cell: (cell.budget, cell.strategy != "single", cell.strategy))


def knee(cells: list[Cell]) -> int:
    """The smallest budget from which no larger one of the same strategy is better by more than two points."""
    ordered = sorted(cells, key=lambda cell: cell.budget)
    for at, cell in enumerate(ordered):
        if all(later.accuracy.estimate <= cell.accuracy.estimate + _KNEE for later in ordered[at:]):
            return cell.budget
    raise AssertionError


def table(rows: list[Row]) -> str:
    found = cells(rows)
    lines = [
        "| budget | strategy | n | accuracy | 95 % interval | tokens | candidates | s | $ per 1,000 right "
        "| better / worse than single | p |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in found:
        share = cell.accuracy
        paired = "" if cell.strategy == "single" else f"{cell.better} / {cell.worse}"
        p = "" if cell.strategy == "single" else f"{cell.p:.3g}"
        lines.append(
            f"| {cell.budget} | {cell.strategy} | {share.n} | {share.estimate:.3f} "
            f"| {share.low:.3f} to {share.high:.3f} | {cell.tokens:.0f} | {cell.candidates:.1f} "
            f"| {cell.seconds:.1f} | {1000 * cell.usd_per_correct:.3f} | {paired} | {p} |"
        )
    names = list(dict.fromkeys(cell.strategy for cell in found))
    knees = [f"{name}: {knee([cell for cell in found if cell.strategy == name])}" for name in names]
    return "\n".join(
        [*lines, "", f"knee (from there on no larger budget adds over two points): {', '.join(knees)}"]
    )


def pareto(cells: list[Cell]) -> set[tuple[str, int]]:
    """What no other strategy at any budget beats in accuracy with as few tokens."""
    return {
        (cell.strategy, cell.budget)
        for cell in cells
        if not any(
            other.tokens <= cell.tokens
            and other.accuracy.estimate >= cell.accuracy.estimate
            and (other.tokens, other.accuracy.estimate) != (cell.tokens, cell.accuracy.estimate)
            for other in cells
        )
    }


def plot(rows: list[Row], title: str, path: Path) -> None:
    import vl_convert

    found = cells(rows)
    front = pareto(found)
    values = [
        {
            "strategy": cell.strategy,
            "budget": cell.budget,
            "tokens": cell.tokens,
            "accuracy": cell.accuracy.estimate,
            "low": cell.accuracy.low,
            "high": cell.accuracy.high,
            "front": (cell.strategy, cell.budget) in front,
        }
        for cell in found
    ]
    x = {
        "field": "tokens",
        "type": "quantitative",
        "scale": {"type": "log", "nice": False, "padding": 24},
        "title": "output tokens used, mean",
    }
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False}, "title": "accuracy"}
    names = list(dict.fromkeys(cell.strategy for cell in found))
    colour = {"field": "strategy", "type": "nominal", "sort": names, "scale": {"scheme": "category20"}}
    lines: dict[str, Any] = {
        "mark": "line",
        "encoding": {"x": x, "y": y, "color": colour, "order": {"field": "budget"}},
    }
    points: dict[str, Any] = {
        "mark": {"type": "point", "size": 60},
        "encoding": {
            "x": x,
            "y": y,
            "color": colour,
            "fill": {**colour, "legend": None},
            "fillOpacity": {"condition": {"test": "datum.front", "value": 1}, "value": 0},
        },
    }
    bars: dict[str, Any] = {
        "transform": [{"filter": "datum.strategy == 'single'"}],
        "mark": {"type": "rule", "opacity": 0.5},
        "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
    }
    n = found[0].accuracy.n
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "data": {"values": values},
        "width": 560,
        "height": 380,
        "title": {
            "text": "Accuracy at equal total budgets",
            "subtitle": f"{title}, n = {n}; filled: on the Pareto front; bars: 95 % interval of single",
        },
        "layer": [lines, points, bars],
    }
    path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
    print(path)
