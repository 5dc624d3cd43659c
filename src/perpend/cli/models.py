"""`perpend models`: the weights that are known, and those that are here."""

import asyncio
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from perpend.cli.console import note, print_json, pull_progress
from perpend.cli.store import print_table
from perpend.config import home_dir, load_config
from perpend.engine.catalogue import Weights, catalogue, find

app = App(name="models", help="List, fetch, show and remove embedded weights.")
Json = Annotated[bool, Parameter(name="--json", negative="")]


def _facts(weights: Weights) -> dict[str, object]:
    home = home_dir(load_config())
    row: dict[str, object] = msgspec.to_builtins(weights)
    return {**row, "pulled": weights.pulled(home), "path": str(weights.path(home))}


@app.command(name="list")
def list_models(*, json: Json = False) -> None:
    """List the known weights, and whether they are here."""
    rows = [_facts(weights) for weights in catalogue().values()]
    if json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "MB", "here", "what")
    for row, weights in zip(rows, catalogue().values(), strict=True):
        table.add_row(
            weights.name, f"{weights.size / 1e6:.0f}", "yes" if row["pulled"] else "", weights.summary
        )
    print_table(table)


@app.command
def pull(name: str, *, json: Json = False) -> None:
    """Fetch weights: resumes where it stopped, verifies the checksum.

    Example: perpend models pull qwen2.5-coder-1.5b
    """
    from perpend.engine.pull import pull as fetch

    weights = find(name)
    home = home_dir(load_config())
    if not weights.pulled(home):
        sources = ", else ".join(source.label for source in weights.sources)
        note(f"fetching {name}, {weights.size / 1e6:.0f} MB, from {sources}")
    with pull_progress() as listener:
        path = asyncio.run(fetch(weights, home, listener))
    if json:
        print_json(_facts(weights))
    else:
        print(path)


@app.command
def show(name: str, *, json: Json = False) -> None:
    """Show all that is known of weights."""
    facts = _facts(find(name))
    if json:
        print_json(facts)
        return
    for key, value in facts.items():
        print(f"{key:10} {value}")


@app.command
def rm(name: str) -> None:
    """Remove weights from this machine."""
    weights = find(name)
    if weights.bundled:
        note(f"{name} comes with Perpend and takes {weights.size / 1e6:.0f} MB: nothing to remove")
        return
    path = weights.path(home_dir(load_config()))
    if not path.exists():
        note(f"{name} isn't here: nothing to remove")
        return
    path.unlink()
    note(f"removed {path}")
