"""The store that the config names, for the commands that look into it."""

from pathlib import Path

from perpend.config import home_dir, load_config
from perpend.storage.store import Store


def open_store(config: Path | None) -> Store:
    """Raises ConfigError and StorageError. `config`: a perpend.toml in place of the usual one."""
    loaded = load_config(config)
    return Store.open(loaded.storage.path or home_dir(loaded) / "perpend.db", loaded.storage.durability)
