"""From cells to figures: the median over rounds of what was measured side by side."""

from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.table import Table

from .generator import Cell


class Measured(msgspec.Struct, frozen=True):
    """A cell, whose it is and in which round."""

    target: str
    round: int
    cell: Cell


class Way(NamedTuple):
    """How is asked, and by how many."""

    dialect: str
    mode: str
    clients: int


def way_of(cell: Cell) -> Way:
    return Way(cell.dialect, cell.mode, cell.clients)


class Ratio(msgspec.Struct, frozen=True):
    dialect: str
    mode: str
    per_s: float | None
    cpu_ms: float | None
    times: dict[str, float | None]
    """Throughput over that of each other gateway."""
    cpu_times: dict[str, float | None]
    """The others' CPU of a request over its own: holds on a machine that does other work, too."""


def saved(mine: Cell, theirs: Cell) -> float:
    return (theirs.cpu_ms_per_request or 0.0) / (mine.cpu_ms_per_request or float("inf"))


Value = Callable[[Cell], float | None]


class Results:
    """All cells of a run; `subject` is the gateway that the run is about."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.cells: list[Measured] = []

    def has(self, target: str) -> bool:
        return any(m.target == target for m in self.cells)

    def find(self, target: str, way: Way) -> dict[int, Cell]:
        return {m.round: m.cell for m in self.cells if m.target == target and way_of(m.cell) == way}

    def middle(self, target: str, way: Way, value: Value) -> float | None:
        """The median over rounds of one value; None where it wasn't measured."""
        values = [v for cell in self.find(target, way).values() if (v := value(cell)) is not None]
        return median(values) if values else None

    def paired(self, way: Way, other: str, compare: Callable[[Cell, Cell], float]) -> float | None:
        """The median over rounds of the subject compared with `other` in the same round."""
        mine, theirs = (self.find(target, way) for target in (self.subject, other))
        values = [compare(mine[i], theirs[i]) for i in mine if i in theirs]
        return median(values) if values else None

    def ratio(self, way: Way, other: str) -> float | None:
        return self.paired(way, other, lambda a, b: a.per_s / b.per_s)

    def added_ms(self, dialect: str, mode: str, value: Value) -> float | None:
        """What the gateway adds to the upstream's own time, for a client alone."""
        way = Way(dialect, mode, 1)
        return self.paired(way, "direct", lambda a, b: (value(a) or 0.0) - (value(b) or 0.0))

    def figures(self, against: str | None, clients: int, dialect: str) -> dict[str, float | None]:
        """The headline, of one dialect: `clients` is where throughput is read off."""
        subject, json, stream = self.subject, Way(dialect, "json", clients), Way(dialect, "stream", clients)
        return {
            "requests_per_s_ratio": (against and self.ratio(json, against)) or None,
            "streams_per_s_ratio": (against and self.ratio(stream, against)) or None,
            "added_p50_ms": self.added_ms(dialect, "json", lambda c: c.p50_ms),
            "added_p99_ms": self.added_ms(dialect, "json", lambda c: c.p99_ms),
            "added_ttft_p50_ms": self.added_ms(dialect, "stream", lambda c: c.ttft_p50_ms),
            "added_ttft_p99_ms": self.added_ms(dialect, "stream", lambda c: c.ttft_p99_ms),
            "requests_per_s": self.middle(subject, json, lambda c: c.per_s),
            "streams_per_s": self.middle(subject, stream, lambda c: c.per_s),
            "events_per_s": self.middle(subject, stream, lambda c: c.events_per_s),
            "relayed_tokens_per_s": self.middle(subject, stream, lambda c: c.tokens_per_s),
            "cpu_ms_per_request": self.middle(subject, json, lambda c: c.cpu_ms_per_request),
            "cpu_ms_per_stream": self.middle(subject, stream, lambda c: c.cpu_ms_per_request),
        }

    def ratios(self, others: list[str], clients: int) -> list[Ratio]:
        """Throughput in each dialect and mode, and how many times that of others it is."""
        ways = dict.fromkeys(way_of(m.cell) for m in self.cells if m.cell.clients == clients)
        return [
            Ratio(
                way.dialect,
                way.mode,
                self.middle(self.subject, way, lambda c: c.per_s),
                self.middle(self.subject, way, lambda c: c.cpu_ms_per_request),
                {other: self.ratio(way, other) for other in others},
                {other: self.paired(way, other, saved) for other in others},
            )
            for way in ways
        ]

    def errors(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for m in self.cells:
            for why, count in m.cell.errors.items():
                name = f"{m.target} {m.cell.dialect} {m.cell.mode}: {why}"
                found[name] = found.get(name, 0) + count
        return found

    def as_rows(self) -> list[dict[str, Any]]:
        return [{"target": m.target, "round": m.round, **msgspec.to_builtins(m.cell)} for m in self.cells]


def print_tables(
    results: Results, figures: dict[str, float | None], ratios: list[Ratio], console: Console
) -> None:
    columns: list[tuple[str, Value, int]] = [
        ("per s", lambda c: c.per_s, 0),
        ("p50 ms", lambda c: c.p50_ms, 2),
        ("p99 ms", lambda c: c.p99_ms, 2),
        ("first token p50", lambda c: c.ttft_p50_ms, 2),
        ("p99", lambda c: c.ttft_p99_ms, 2),
        ("events/s", lambda c: c.events_per_s, 0),
        ("tokens/s", lambda c: c.tokens_per_s, 0),
        ("CPU ms", lambda c: c.cpu_ms_per_request, 3),
        ("others' cores", lambda c: c.other_cores, 2),
    ]
    table = Table("dialect", "mode", "clients", "gateway", title="Median over rounds")
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    order = dict.fromkeys((way_of(m.cell), m.target) for m in results.cells)
    for way, target in sorted(order, key=lambda key: key[0]):
        values = (number(results.middle(target, way, v), digits) for _, v, digits in columns)
        table.add_row(way.dialect, way.mode, str(way.clients), target, *values)
    console.print(table)
    print_ratios(results.subject, ratios, console)
    for name, value in figures.items():
        console.print(f"{name:>22}  {number(value, 3)}", highlight=False)


def print_ratios(subject: str, ratios: list[Ratio], console: Console) -> None:
    others = list(ratios[0].times) if ratios else []
    table = Table("dialect", "mode", title=f"{subject} beside others in the same round")
    for title in ("per s", *(f"× {other}" for other in others)):
        table.add_column(title, justify="right")
    for title in ("CPU ms", *(f"{other} / {subject}" for other in others)):
        table.add_column(title, justify="right")
    for row in ratios:
        times = (number(row.times[other], 2) for other in others)
        cpu = (number(row.cpu_times[other], 2) for other in others)
        table.add_row(row.dialect, row.mode, number(row.per_s, 0), *times, number(row.cpu_ms, 3), *cpu)
    console.print(table)


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
