"""`perpend models`: the weights that are known and those that are here; how models think and what they cost."""

import asyncio
from pathlib import Path

from cyclopts import App

from perpend.cli.console import note, print_json, print_table, pull_progress
from perpend.cli.options import ConfigFile, Json
from perpend.cli.prices import prices
from perpend.config import home_dir, load_config

app = App(
    name="models",
    help="List, fetch and remove embedded weights; show how any model thinks, and what it costs.\n\n"
    "Such as `perpend models pull smollm2-135m`, `perpend models show o3`.",
)


app.command(prices)


@app.command(name="list")
def list_models(*, json: Json = False, config: ConfigFile = None) -> None:
    """List the known weights, how much RAM one answer at a time takes with them, and whether they are here.

    Example: `perpend models list --json`

    Parameters
    ----------
    json
        Print an array of objects.
    """
    from perpend.cli.models.facts import weights_facts
    from perpend.engine.catalogue import catalogue
    from perpend.engine.hub import here

    home = home_dir(load_config(config))
    known = [*catalogue().values(), *here(home)]
    rows = [weights_facts(weights, home) for weights in known]
    if json:
        print_json(rows)
        return
    from rich.table import Table

    table = Table("name", "MB", "here", "RAM GB", "what")
    for row, weights in zip(rows, known, strict=True):
        mb, ram = f"{row['size'] / 1e6:.0f}", "" if row["ram"] is None else f"{row['ram'] / 1e9:.1f}"
        table.add_row(weights.name, mb, "yes" if row["pulled"] else "", ram, weights.summary)
    print_table(table)


@app.command
def pull(name: str, /, *, json: Json = False, config: ConfigFile = None) -> None:
    """Fetch weights: goes on where an earlier pull was cut off, verifies the checksum.

    A file of the Hugging Face hub must match the checksum that the hub states of it; `--model hf:OWNER/REPO/FILE.gguf`
    then runs it. HF_ENDPOINT names a mirror, HF_TOKEN opens repositories with conditions.

    Examples:

    - `perpend models pull qwen2.5-coder-1.5b`
    - `perpend models pull hf:Qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf`

    Parameters
    ----------
    name
        A name of `perpend models list`, or any GGUF file of the hub, as hf:OWNER/REPO/FILE.gguf.
    json
        Print what `perpend models show --json` does, in place of the path.
    """
    from perpend.cli.models.facts import facts_of
    from perpend.engine.hub import named
    from perpend.engine.pull import pull as fetch

    weights = named(name)
    loaded = load_config(config)
    home = home_dir(loaded)
    if not weights.pulled(home):
        sources = ", else ".join(source.label for source in weights.sources)
        size = f", {weights.size / 1e6:.0f} MB" if weights.size else ""
        note(f"fetching {name}{size}, from {sources}")
    with pull_progress() as listener:
        path = asyncio.run(fetch(weights, home, listener))
    if json:
        print_json(facts_of(name, loaded, home))
    else:
        print(path)


@app.command
def show(name: str, /, *, json: Json = False, config: ConfigFile = None) -> None:
    """Show all that is known of a model: how it thinks, what it costs, where its weights are; with sources.

    Example: `perpend models show o3`

    Parameters
    ----------
    name
        A name under `models` in perpend.toml or of `perpend models list`, PROVIDER/MODEL, or a vendor's name.
    json
        Print an object.
    """
    from perpend.cli.models.facts import facts_of, print_facts

    loaded = load_config(config)
    facts = facts_of(name, loaded, home_dir(loaded))
    if json:
        print_json(facts)
    else:
        print_facts(facts)


@app.command
def rm(name: str, /, *, json: Json = False, config: ConfigFile = None) -> None:
    """Remove weights from this machine, and what an unfinished pull of them left.

    A gateway that serves them refuses requests from then on, and says what is missing.

    Example: `perpend models rm smollm2-135m`

    Parameters
    ----------
    name
        A name of `perpend models list`.
    json
        Print an object that says what was `removed`: a path, or null.
    """
    removed = _remove(name, home_dir(load_config(config)))
    if json:
        print_json({"name": name, "removed": removed})


def _remove(name: str, home: Path) -> Path | None:
    from perpend.engine.hub import named
    from perpend.engine.partial import Partial

    weights = named(name)
    if weights.bundled:
        note(f"{name} comes with Perpend and takes {weights.size / 1e6:.0f} MB: nothing to remove")
        return None
    path = weights.path(home)
    partial = Partial(weights, path)
    if not path.exists() and not partial.on_disk():
        note(f"{name} isn't here: nothing to remove")
        return None
    partial.remove()
    path.unlink(missing_ok=True)
    note(f"removed {path}")
    return path
