"""From cells to figures: the median over rounds of what was measured side by side."""

from collections.abc import Callable
from statistics import median
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from .generator import Cell


class Measured(msgspec.Struct, frozen=True):
    """A cell, whose it is and in which round."""

    target: str
    round: int
    cell: Cell


Value = Callable[[Cell], float | None]


class Results:
    """All cells of a run; `subject` is the gateway that the run is about."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.cells: list[Measured] = []

    def find(self, target: str, mode: str, clients: int) -> dict[int, Cell]:
        return {
            m.round: m.cell
            for m in self.cells
            if (m.target, m.cell.mode, m.cell.clients) == (target, mode, clients)
        }

    def middle(self, target: str, mode: str, clients: int, value: Value) -> float | None:
        """The median over rounds of one value; None where it wasn't measured."""
        values = [v for cell in self.find(target, mode, clients).values() if (v := value(cell)) is not None]
        return median(values) if values else None

    def paired(
        self, mode: str, clients: int, other: str, compare: Callable[[Cell, Cell], float]
    ) -> float | None:
        """The median over rounds of the subject compared with `other` in the same round."""
        mine, theirs = (self.find(target, mode, clients) for target in (self.subject, other))
        values = [compare(mine[i], theirs[i]) for i in mine if i in theirs]
        return median(values) if values else None

    def ratio(self, mode: str, clients: int, other: str) -> float | None:
        return self.paired(mode, clients, other, lambda a, b: a.per_s / b.per_s)

    def added_ms(self, mode: str, value: Value) -> float | None:
        """What the gateway adds to the upstream's own time, for a client alone."""
        return self.paired(mode, 1, "direct", lambda a, b: (value(a) or 0.0) - (value(b) or 0.0))

    def figures(self, against: str | None, clients: int) -> dict[str, float | None]:
        """The headline: `clients` is where throughput is read off."""
        subject = self.subject
        return {
            "requests_per_s_ratio": (against and self.ratio("json", clients, against)) or None,
            "streams_per_s_ratio": (against and self.ratio("stream", clients, against)) or None,
            "added_p50_ms": self.added_ms("json", lambda c: c.p50_ms),
            "added_p99_ms": self.added_ms("json", lambda c: c.p99_ms),
            "added_ttft_p50_ms": self.added_ms("stream", lambda c: c.ttft_p50_ms),
            "added_ttft_p99_ms": self.added_ms("stream", lambda c: c.ttft_p99_ms),
            "requests_per_s": self.middle(subject, "json", clients, lambda c: c.per_s),
            "streams_per_s": self.middle(subject, "stream", clients, lambda c: c.per_s),
            "events_per_s": self.middle(subject, "stream", clients, lambda c: c.events_per_s),
            "relayed_tokens_per_s": self.middle(subject, "stream", clients, lambda c: c.tokens_per_s),
            "cpu_ms_per_request": self.middle(subject, "json", clients, lambda c: c.cpu_ms_per_request),
            "cpu_ms_per_stream": self.middle(subject, "stream", clients, lambda c: c.cpu_ms_per_request),
        }

    def errors(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for m in self.cells:
            for why, count in m.cell.errors.items():
                name = f"{m.target} {m.cell.mode}: {why}"
                found[name] = found.get(name, 0) + count
        return found

    def as_rows(self) -> list[dict[str, Any]]:
        return [{"target": m.target, "round": m.round, **msgspec.to_builtins(m.cell)} for m in self.cells]


def print_tables(results: Results, figures: dict[str, float | None], console: Console) -> None:
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
    table = Table("gateway", "mode", "clients", title="Median over rounds")
    for title, _, _ in columns:
        table.add_column(title, justify="right")
    order = dict.fromkeys((m.target, m.cell.mode, m.cell.clients) for m in results.cells)
    for target, mode, clients in sorted(order, key=lambda key: (key[1], key[2])):
        values = (number(results.middle(target, mode, clients, v), digits) for _, v, digits in columns)
        table.add_row(target, mode, str(clients), *values)
    console.print(table)
    for name, value in figures.items():
        console.print(f"{name:>22}  {number(value, 3)}", highlight=False)


def number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"
