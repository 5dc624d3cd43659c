"""What was found, as a table in Markdown and the notes that argue it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.clients.cells import CELLS
from benchmarks.clients.client import Client
from benchmarks.clients.environments import installed
from benchmarks.clients.matrix import Outcome


def drawn(found: Mapping[str, tuple[Client, Sequence[Outcome]]], cache: Path) -> str:
    names = [cell.name for cell in CELLS]
    rows = [f"| client | version | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    notes: list[str] = []
    for name, (client, outcomes) in found.items():
        marks = {outcome.cell: outcome.mark for outcome in outcomes}
        shown = " | ".join(marks.get(cell, "✗") for cell in names)
        version = client.environment.version(installed(client.environment, cache))
        rows.append(f"| {name} | {version} | {shown} |")
        notes += [f"- {name}, {one.cell}: {one.mark} {one.why}" for one in outcomes if one.mark != "✓"]
    return "\n".join([*rows, "", *notes])
