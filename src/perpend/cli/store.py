"""What the commands that look into the store share: the store that the config names, and their tables."""

from pathlib import Path
from typing import TYPE_CHECKING

from perpend.config import home_dir, load_config
from perpend.storage.store import Store

if TYPE_CHECKING:
    from rich.table import Table

_ANY_WIDTH = 10_000


def open_store(config: Path | None) -> Store:
    """Raises ConfigError and StorageError. `config`: a perpend.toml in place of the usual one."""
    loaded = load_config(config)
    return Store.open(loaded.storage.path or home_dir(loaded) / "perpend.db", loaded.storage.durability)


def print_table(table: "Table") -> None:
    """To stdout, as wide as it needs to be: a figure is never cut to fit."""
    from rich.console import Console, ConsoleDimensions

    console = Console()
    needed = console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum
    console.size = ConsoleDimensions(max(console.width, needed), console.height)
    console.print(table)
