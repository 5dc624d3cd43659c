"""`perpend usage`: the ledger summed by key, model and day."""

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING

from perpend.cli.console import print_json, print_table
from perpend.cli.options import ConfigFile, Json
from perpend.cli.store import open_store
from perpend.errors import BadRequest
from perpend.registry import choices_hint

if TYPE_CHECKING:
    from perpend.storage.usage import Dimension, UsageRow

_SUMS = ("requests", "input", "cached", "thinking", "answer", "cost_usd")
_SAVED = ("cache_hits", "saved_tokens", "saved_usd")
FIGURES = (*_SUMS, "unpriced", *_SAVED)


def usage(
    *,
    by: str = "key,model,day",
    since: dt.date | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Show what was used and what it cost: requests, tokens and dollars from the ledger.

    Failed and cancelled requests count with what they had used. Costs are exact; requests of models without a known
    price are in none, and `unpriced` counts them. Where answers came from the response cache, it says how many, and the
    tokens and dollars that making them took before.

    Examples:

    - `perpend usage --by model`
    - `perpend usage --by key,day --since 2026-05-01 --json`

    Parameters
    ----------
    by
        What to sum by: any of key, user, model and day, with commas between.
    since
        The first day (UTC), as 2026-05-01; all by default.
    json
        Print an object with `rows` and their `total`.
    """
    from perpend.storage import usage as ledger

    dimensions = _dimensions(by)
    with open_store(config) as store:
        rows = ledger.usage(store, dimensions, since)
    total = ledger.total(rows)
    if json:
        _print_json(dimensions, rows, total)
    else:
        _print_table(dimensions, rows, total)


def _dimensions(by: str) -> "list[Dimension]":
    from perpend.storage.usage import DIMENSIONS

    known: dict[str, Dimension] = {name: name for name in DIMENSIONS}
    chosen: list[Dimension] = []
    for name in filter(None, (part.strip() for part in by.split(","))):
        if name not in known:
            raise BadRequest(f"can't sum by {name!r}", hint=choices_hint(name, known), field="--by")
        if known[name] not in chosen:
            chosen.append(known[name])
    return chosen


def _print_json(by: "list[Dimension]", rows: "list[UsageRow]", total: "UsageRow") -> None:
    shown = {
        "rows": [{name: getattr(row, name) for name in (*by, *FIGURES)} for row in rows],
        "total": {name: getattr(total, name) for name in FIGURES},
    }
    print_json(shown)


def _print_table(by: "list[Dimension]", rows: "list[UsageRow]", total: "UsageRow") -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_footer=True)
    for index, name in enumerate(by):
        table.add_column(name, "" if index else "total", no_wrap=True)
    sums = (*_SUMS, *_SAVED) if total.cache_hits else _SUMS
    for name in sums:
        title = "cost" if name == "cost_usd" else name.replace("_", " ")
        table.add_column(title, _shown(total, name), justify="right", no_wrap=True)
    for row in rows:
        names = [str(getattr(row, name) or "–") for name in by]
        table.add_row(*names, *(_shown(row, name) for name in sums))
    print_table(table)


def dollars(cost: Decimal) -> str:
    """A cost in US dollars with all its digits, at least two."""
    shortest = cost.normalize()
    exponent = shortest.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    return f"${shortest:.{max(2, digits)}f}"


def spent(row: "UsageRow") -> str:
    """The cost of a row; "unknown" stands for requests without a known price."""
    if row.cost_usd is None:
        return "unknown"
    return f"{dollars(row.cost_usd)} + unknown" if row.unpriced else dollars(row.cost_usd)


def _shown(row: "UsageRow", name: str) -> str:
    if name == "cost_usd":
        return spent(row)
    return dollars(row.saved_usd) if name == "saved_usd" else f"{getattr(row, name):,}"
