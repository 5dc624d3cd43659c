"""Checks plain values against the schema: all problems, each with its key path, not only the first."""

import tomllib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args, get_origin

import msgspec
from msgspec import Struct

from perpend.config.schema import EMBEDDED, Config
from perpend.config.toml_lines import KeyPath, is_table
from perpend.registry import nearest

DecodeHook = Callable[[type, Any], Any]


class ConfigProblem(Struct, frozen=True):
    """What is wrong with the value at a key path."""

    path: KeyPath
    message: str


def problems(value: Any, shape: Any, hook: DecodeHook, path: KeyPath = ()) -> Iterator[ConfigProblem]:
    """Why `value` isn't of the type `shape`; yields nothing where it is. `hook` decodes paths."""
    section = section_of(shape)
    of_dict = dict_of(shape)
    if (section or of_dict) and not is_table(value):
        yield ConfigProblem(path, f"expected a table, got `{type(value).__name__}`")
    elif section:
        yield from _in_section(value, section, hook, path)
    elif of_dict:
        for name, item in value.items():
            yield from _leaf(name, of_dict[0], hook, (*path, name))
            yield from problems(item, of_dict[1], hook, (*path, name))
    elif (of_list := list_of(shape)) and isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from problems(item, of_list, hook, path)
    else:
        yield from _leaf(value, shape, hook, path)


def _in_section(
    value: dict[str, Any], section: type[Struct], hook: DecodeHook, path: KeyPath
) -> Iterator[ConfigProblem]:
    fields = {field.name: field for field in msgspec.structs.fields(section)}
    found: list[ConfigProblem] = []
    for name, item in value.items():
        if name in fields:
            found += problems(item, fields[name].type, hook, (*path, name))
        else:
            found.append(ConfigProblem((*path, name), f"unknown key{_meant(name, section, path)}"))
    found += [
        ConfigProblem(path, f"{name!r} is missing")
        for name, field in fields.items()
        if field.required and name not in value
    ]
    if not found:  # each field is valid alone; the section may still refuse the combination
        found += _leaf(value, section, hook, path)
    yield from found


def _leaf(value: Any, shape: Any, hook: DecodeHook, path: KeyPath) -> Iterator[ConfigProblem]:
    try:
        msgspec.convert(value, shape, dec_hook=hook)
    except msgspec.ValidationError as error:
        yield ConfigProblem(path, explain(value, shape, error))


def explain(value: Any, shape: Any, error: msgspec.ValidationError) -> str:
    """msgspec's message reworded, with the choices where there are any."""
    choices = choices_of(shape)
    if choices and isinstance(value, str):
        close = nearest(value, choices)
        meant = f"; did you mean {close!r}?" if close else ""
        return f"{value!r} is none of {', '.join(choices)}{meant}"
    text = str(error).split(" - at `", 1)[0]
    return f"{text[:1].lower()}{text[1:]}"


def _meant(name: str, section: type[Struct], path: KeyPath) -> str:
    """The nearest key here, else the same key in another section."""
    here = [field.name for field in msgspec.structs.fields(section)]
    if close := nearest(name, here):
        return f"; did you mean {'.'.join((*path, close))!r}?"
    if not path:
        elsewhere = {key[-1]: ".".join(key) for key in known_keys(section)}
        if close := nearest(name, elsewhere):
            return f"; did you mean {elsewhere[close]!r}?"
    return f"; known here: {', '.join(here)}"


def known_keys(section: type[Struct], path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key path of the schema that has a fixed name."""
    for field in msgspec.structs.fields(section):
        inner = section_of(field.type)
        if inner:
            yield from known_keys(inner, (*path, field.name))
        else:
            yield (*path, field.name)


def section_of(shape: Any) -> type[Struct] | None:
    """The table's type, for `Section` and `Section | None`."""
    for part in (shape, *get_args(shape)):
        if isinstance(part, type) and issubclass(part, Struct) and get_origin(shape) not in (dict, tuple):
            return part
    return None


def list_of(shape: Any) -> type[Struct] | None:
    """The tables' type, of a list of tables."""
    return section_of(get_args(shape)[0]) if get_origin(shape) is tuple else None


def dict_of(shape: Any) -> tuple[Any, Any] | None:
    """Key and value types of a table with names of the user's choice."""
    return get_args(shape) if get_origin(shape) is dict else None


def dangling_references(config: Config) -> Iterator[ConfigProblem]:
    """Models whose provider doesn't exist, and providers without an address."""
    listed = listed_providers()
    for name, row in config.providers.items():
        if row.like is not None and row.like not in listed:
            yield ConfigProblem(
                ("providers", name, "like"), f"no known provider {row.like!r}; {_one_of(row.like, listed)}"
            )
        elif row.base_url is None and (row.like or name) not in listed:
            yield ConfigProblem(("providers", name), "'base_url' is missing")
    known = [EMBEDDED, *config.providers, *listed]
    for name, row in config.models.items():
        named: list[tuple[KeyPath, str, list[str]]] = [(("models", name, "provider"), row.provider, known)]
        named += [(("models", name, "deployments"), one.provider, known[1:]) for one in row.deployments]
        for path, provider, allowed in named:
            if provider not in allowed:
                yield ConfigProblem(path, f"no provider {provider!r}; {_one_of(provider, allowed)}")


@cache
def listed_providers() -> tuple[str, ...]:
    """The names in providers.toml; `providers.provider`, a layer above, decodes the rows."""
    text = files("perpend").joinpath("providers/providers.toml").read_text(encoding="utf-8")
    return tuple(tomllib.loads(text))


def _one_of(name: str, known: Iterable[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close!r}?" if close else f"known: {', '.join(known)}"


def choices_of(shape: Any) -> tuple[str, ...]:
    """The values of a `Literal`, optional or not; none for other types."""
    return next((get_args(part) for part in (shape, *get_args(shape)) if get_origin(part) is Literal), ())
