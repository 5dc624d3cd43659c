"""`perpend models prices`: what tokens cost, how old that is, and LiteLLM's list into your own."""

import datetime
from codecs import BOM_UTF8
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from perpend.accounting.guide import Beside, against_guide
from perpend.accounting.price_list import OWN_LIST, PriceList, PriceRow, own_rows, price_list
from perpend.cli.console import note, print_json, print_table
from perpend.cli.options import ConfigFile, Json, Tokens
from perpend.config import home_dir, load_config
from perpend.errors import BadRequest, NotFound
from perpend.private_files import private_folder
from perpend.providers.provider import provider_in

_SHOWN_STALE = 8


def prices(
    name: str | None = None,
    /,
    *,
    stale_days: Tokens = 90,
    update: Path | None = None,
    against: Literal["guide"] | None = None,
    json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Show the prices in force, in US dollars per million tokens, and warn of those that are old.

    Yours, in PERPEND_HOME, go before those that come with Perpend; `price` in perpend.toml goes before both.

    Example: `perpend models prices o3`

    Parameters
    ----------
    name
        Show this model's price alone.
    stale_days
        Warn of prices that were last checked more than so many days ago.
    update
        LiteLLM's public price list (model_prices_and_context_window.json), to be merged into yours.
    against
        Show what the reasoning guide's tables (May 2026) have beside the prices in force, and where the two differ.
    json
        Print an array of objects.
    """
    home = home_dir(load_config(config))
    today = datetime.datetime.now(datetime.UTC).date()
    if update is not None:
        _update(home, update, today)
    listed = price_list(home)
    if against is not None:
        _print_against(_lines_of(against_guide(listed, today), name), json=json)
        return
    rows = listed.current(today)
    if name is not None:
        row = _row(listed, name, today)
        if row is None:
            hint = "give it a `price` under [models] in perpend.toml"
            raise NotFound(f"no price of {name!r} is known", hint=hint, field="name")
        rows = [row]
    stale = [row for row in rows if (today - row.checked).days > stale_days]
    if json:
        print_json(
            [{**msgspec.to_builtins(row, builtin_types=(Decimal,)), "stale": row in stale} for row in rows]
        )
    else:
        _print(rows)
    if stale:
        models = ", ".join(row.models[0] for row in stale[:_SHOWN_STALE])
        more = f" and {len(stale) - _SHOWN_STALE} more" if len(stale) > _SHOWN_STALE else ""
        note(
            f"last checked more than {stale_days} days ago: {models}{more}\n"
            "  hint: compare with your invoice, or bring a newer list with --update FILE"
        )


def _row(listed: PriceList, name: str, today: datetime.date) -> PriceRow | None:
    """The price in force of a model, or of PROVIDER/MODEL; None where it isn't known."""
    sellers = {row.provider for rows in listed.lists for row in rows}
    if (found := provider_in(name, sellers)) is None:
        return listed.row(name, on=today)
    provider, model = found
    return listed.row(model, provider, today)


def _update(home: Path, file: Path, today: datetime.date) -> None:
    from perpend.accounting.litellm import merged, rows_from

    try:
        text = file.read_bytes().removeprefix(BOM_UTF8)
    except OSError as error:
        raise BadRequest(f"{file} can't be read: {error.strerror}", field="update") from error
    known = own_rows(home)
    new = rows_from(text, today)
    rows = merged(known, new)
    private_folder(home)
    partial = home / f"{OWN_LIST}.new"
    partial.write_bytes(msgspec.json.format(msgspec.json.Encoder(decimal_format="number").encode(rows)))
    partial.replace(home / OWN_LIST)
    note(f"{len(new)} prices read, {len(rows) - len(known)} of them new or changed: {home / OWN_LIST}")


def _lines_of(lines: Iterable[Beside], name: str | None) -> list[Beside]:
    found = [line for line in lines if name in (None, line.guide.model)]
    if not found:
        raise NotFound(
            f"the guide has no price of {name!r}", hint="without a name all are shown", field="name"
        )
    return found


def _print_against(lines: list[Beside], *, json: bool) -> None:
    if json:
        print_json(msgspec.to_builtins(lines, builtin_types=(Decimal,)))
        return
    from rich.table import Table

    table = Table("model", "guide", "its table", "in force", "", "source", "checked")
    for line in lines:
        guide, row = line.guide, line.listed
        guide_price = _price_pair(guide.input, guide.output, guide.output_most)
        listed_cells = (
            ("unknown", "", "")
            if row is None
            else (_price_pair(row.input, row.output), row.source, str(row.checked))
        )
        table.add_row(
            guide.model,
            guide_price,
            guide.table,
            listed_cells[0],
            "differs" if line.differs else "",
            *listed_cells[1:],
        )
    print_table(table)


def _price_pair(input_: Decimal | None, output: Decimal, highest_output: Decimal | None = None) -> str:
    """Input and output prices, in the form of the guide's tables."""
    outputs = f"{output:f}" if highest_output is None else f"{output:f}–{highest_output:f}"
    return outputs if input_ is None else f"{input_:f} / {outputs}"


def _print(rows: list[PriceRow]) -> None:
    from rich.table import Table

    figures = ("input", "cached", "cache_write", "output", "thinking", "batch", "flex", "priority")
    table = Table("provider", "models", *figures, "in force", "checked", "source")
    for row in rows:
        values = [getattr(row, figure) for figure in figures]
        cells = ["" if value is None else f"{value:f}" for value in values]
        tiers = "".join(f"\nabove {tier.above}: {tier.input:f} in, {tier.output:f} out" for tier in row.tiers)
        dates = str(row.effective), str(row.checked)
        table.add_row(row.provider, ", ".join(row.models) + tiers, *cells, *dates, row.source)
    print_table(table)
