"""What was measured of models: a JSON file for each, in a folder of PERPEND_HOME for each kind of measure."""

import re
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from perpend.errors import ConfigError

T = TypeVar("T", bound=Struct)


def model_file(home: Path, folder: str, model: str) -> Path:
    return home / folder / f"{re.sub(r'[^A-Za-z0-9._-]', '_', model)}.json"


def read_model_file(path: Path, kind: type[T], *, again: str) -> T | None:
    """None where there is none. Raises ConfigError where it can't be read; `again` is the command that makes it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        hint = f"remove it, or measure again: {again}"
        raise ConfigError(f"{path} can't be read: {error}", hint=hint) from error


def write_model_file(path: Path, measured: Struct) -> Path:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".new")
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(measured)))
    return partial.replace(path)
