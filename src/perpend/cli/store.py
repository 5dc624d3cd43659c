"""Open the store that the config names."""

from pathlib import Path

from perpend.config import home_dir, load_config
from perpend.storage.store import Store


def open_store(config: Path | None) -> Store:
    """Open the store. `config`: a perpend.toml in place of the usual one. Raises ConfigError and StorageError."""
    loaded = load_config(config)
    return Store.open(loaded.storage.path or home_dir(loaded) / "perpend.db", loaded.storage.durability)
