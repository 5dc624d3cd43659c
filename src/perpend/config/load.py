"""From `perpend.toml` and the environment to a `Config`; every error names file:line or the variable.

The file is the one given, else `PERPEND_CONFIG`, else `./perpend.toml`, else `perpend.toml` at home.
`PERPEND_SECTION__KEY` in the environment goes over the file. Relative paths start at the file's folder.
"""

import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from msgspec import Struct

from perpend.config.check import (
    ConfigProblem,
    dangling_references,
    dict_of,
    explain,
    known_keys,
    problems,
    section_of,
)
from perpend.config.schema import Config
from perpend.config.toml_lines import KeyPath, is_table, key_lines, line_of
from perpend.errors import ConfigError
from perpend.registry import nearest

FILE_NAME = "perpend.toml"
_LIST_HINT = "perpend config schema lists every key"


class LoadedConfig(Struct, frozen=True):
    """A config and the origins of its values."""

    config: Config
    file: Path | None
    origins: dict[KeyPath, str]
    """`file:line` or the variable's name, for each value that was set."""


def load_config(path: Path | None = None) -> Config:
    """The effective config. Raises ConfigError naming every problem."""
    return load(path).config


def load(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> LoadedConfig:
    """As `load_config`, with the origin of each value. Raises ConfigError."""
    file = find_file(path, environ)
    values, lines = _read(file) if file else ({}, {})

    def where(key: KeyPath) -> str:
        return f"{_shown(file)}:{line_of(lines, key)}" if file else "defaults"

    hook = _path_hook(file.parent.absolute() if file else Path.cwd())
    if found := list(problems(values, Config, hook)):
        raise _error(found, where)
    origins = {key: where(key) for key in _leaves(values)}
    for name, value in environ.items():
        if value and (name == "PERPEND_HOME" or re.match(r"PERPEND_\w+?__", name)):
            overridden = _override(values, name, value)
            origins = {key: origin for key, origin in origins.items() if not _within(key, overridden)}
            origins |= dict.fromkeys(_leaves(_at(values, overridden), overridden), name)
    if found := list(problems(values, Config, hook)):  # a variable can begin a table and leave it incomplete
        raise _error(found, lambda key: ", ".join(sorted({o for k, o in origins.items() if _within(k, key)})))
    config = msgspec.convert(values, Config, dec_hook=hook)
    if found := list(dangling_references(config)):
        raise _error(found, lambda key: origins.get(key) or _table_origin(key, origins, lines, where))
    return LoadedConfig(config, file, origins)


def _table_origin(
    key: KeyPath, origins: dict[KeyPath, str], lines: dict[KeyPath, int], where: Callable[[KeyPath], str]
) -> str:
    """A table's own line, else the variables that made it."""
    return (
        where(key) if key in lines else ", ".join(sorted({o for k, o in origins.items() if _within(k, key)}))
    )


def find_file(path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The config file in force, or None. Raises ConfigError when one that was named isn't there."""
    if named := path or environ.get("PERPEND_CONFIG"):
        file = Path(named).expanduser()
        if not file.is_file():
            by = "" if path else "PERPEND_CONFIG: "
            raise ConfigError(f"{by}no config file at {file}", hint="give the path of a perpend.toml")
        return file
    for file in (Path(FILE_NAME), home_dir(environ=environ) / FILE_NAME):
        if file.is_file():
            return file
    return None


def home_dir(config: Config | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of config, weights and store: PERPEND_HOME, the config's `home`, else the platform's data folder."""
    if named := environ.get("PERPEND_HOME"):
        return Path(named).expanduser().absolute()
    if config and config.home:
        return config.home
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "perpend"
    data = environ.get("XDG_DATA_HOME")
    return (Path(data) if data else Path.home() / ".local" / "share") / "perpend"


def _read(file: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """The file's values, and the line of each key. Raises ConfigError."""
    try:
        text = file.read_text(encoding="utf-8-sig")  # some editors write a byte order mark
    except UnicodeDecodeError:
        raise ConfigError(f"{_shown(file)}: not UTF-8 text", hint="save the file as UTF-8") from None
    except OSError as error:
        message = f"{_shown(file)}: {error.strerror}"
        raise ConfigError(message, hint="make the file readable, or name another in PERPEND_CONFIG") from None
    try:
        return tomllib.loads(text), key_lines(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        message = f"{_shown(file)}:{line}: not valid TOML: {error}"
        raise ConfigError(message, hint="strings need quotes, tables are [name]") from None


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The key paths of all values that aren't tables."""
    if is_table(value):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    else:
        yield path


def _within(path: KeyPath, table: KeyPath) -> bool:
    return path[: len(table)] == table


def _override(values: dict[str, Any], name: str, text: str) -> KeyPath:
    """Put the variable's value into `values`; returns the key path that it set. Raises ConfigError."""
    parts = name.removeprefix("PERPEND_").lower().split("__")
    path, shape = _resolve(values, parts, name)
    try:
        if dict_of(shape) or section_of(shape):
            value: Any = tomllib.loads(f"value = {text}")["value"]
            if found := list(problems(value, shape, _path_hook(Path.cwd()), path)):
                raise _error(found, lambda _: name)
        elif Path in (shape, *get_args(shape)):
            value = str(Path(text).expanduser().absolute())
        else:
            value = msgspec.to_builtins(msgspec.convert(text, shape, strict=False))
    except msgspec.ValidationError as error:
        message = f"{name}={text}: {explain(text, shape, error)}"
        raise ConfigError(message, hint=_LIST_HINT, field=".".join(path)) from None
    except tomllib.TOMLDecodeError:
        message = f"{name}: not a TOML value"
        raise ConfigError(message, hint="write a table as { key = value }", field=".".join(path)) from None
    node = values
    for part in path[:-1]:
        node = node.setdefault(part, {})
    node[path[-1]] = value
    return path


def _resolve(values: dict[str, Any], parts: list[str], name: str) -> tuple[KeyPath, Any]:
    """The key path that a variable's parts name, and its type. Raises ConfigError for an unknown key."""
    shape: Any = Config
    path: KeyPath = ()
    for part in parts:
        section, of_dict = section_of(shape), dict_of(shape)
        if section:
            fields = {field.name: field.type for field in msgspec.structs.fields(section)}
            shape = fields.get(part)
        else:
            shape = of_dict[1] if of_dict else None
            part = _name_in(_at(values, path), part)  # noqa: PLW2901 -- the name as the file spells it
        path = (*path, part)
        if shape is None:
            known = ["PERPEND_" + "__".join(key).upper() for key in known_keys(Config)]
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else _LIST_HINT
            raise ConfigError(f"{name}: there is no key {'.'.join(path)!r}", hint=hint)
    return path, shape


def _name_in(table: Any, part: str) -> str:
    """The table's key that a variable's part stands for: `my-model` is MY_MODEL in a variable."""
    names: list[str] = list(table) if is_table(table) else []
    return next((name for name in names if re.sub(r"\W", "_", name).lower() == part), part)


def _at(values: Any, path: KeyPath) -> Any:
    for part in path:
        values = values.get(part) if is_table(values) else None
    return values


def _path_hook(base: Path) -> Any:
    """Decodes paths, relative to `base`."""

    def hook(wanted: type, value: Any) -> Any:
        if wanted is Path and isinstance(value, str):
            return base / Path(value).expanduser()
        raise ValueError(f"Expected a path as text, got {value!r}")

    return hook


def _error(found: list[ConfigProblem], where: Callable[[KeyPath], str]) -> ConfigError:
    rows = [": ".join(filter(None, (where(p.path), ".".join(p.path), p.message))) for p in found]
    return ConfigError("\n".join(rows), hint=_LIST_HINT, field=".".join(found[0].path))


def _shown(file: Path) -> str:
    """The path relative to the working folder, where it is below that."""
    return str(file.relative_to(Path.cwd())) if file.is_relative_to(Path.cwd()) else str(file)
