"""What the commands that look into the store share: the store that the config names, and their tables."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from perpend.config import home_dir, load_config
from perpend.storage.store import Store

if TYPE_CHECKING:
    from rich.table import Table

_PIPED_WIDTH = 200


def open_store(config: Path | None) -> Store:
    """Raises ConfigError and StorageError. `config`: a perpend.toml in place of the usual one."""
    loaded = load_config(config)
    return Store.open(loaded.storage.path or home_dir(loaded) / "perpend.db", loaded.storage.durability)


def print_table(table: "Table") -> None:
    """To stdout; where that is no terminal nothing is cut to fit one."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH).print(table)
