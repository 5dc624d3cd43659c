"""The keys of perpend.toml, from the schema and the text under its fields."""

import inspect
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from generators.markdown import NOTE, attribute_docs

from perpend.config import Config
from perpend.config.check import dict_of, list_of, section_of
from perpend.config.section import MOST


def config() -> str:
    """Every key of perpend.toml."""
    intro = (
        "An empty file is a working config. A key is also a variable: `serve.port` is `PERPEND_SERVE__PORT`. The\n"
        "guide is [Configuration](../guides/configuration.md).\n"
    )
    return "# Keys of perpend.toml\n\n" + NOTE + intro + "\n" + "\n".join(_tables(Config, ()))


def _tables(section: type[msgspec.Struct], path: tuple[str, ...]) -> Iterator[str]:
    told = attribute_docs(section)
    rows: list[str] = []
    inner: list[tuple[type[msgspec.Struct], tuple[str, ...]]] = []
    for field in msgspec.structs.fields(section):
        of_dict = dict_of(field.type)
        below = section_of(field.type) or list_of(field.type) or (section_of(of_dict[1]) if of_dict else None)
        if below:
            inner.append((below, (*path, field.name, *(["NAME"] if of_dict else []))))
        if not below or field.name in told:
            rows.append(
                f"| `{field.name}` | {_type(field.type)} | {_default(field)} | {told.get(field.name, '')} |"
            )
    title = f"`[{'.'.join(path)}]`" if path else "The top of the file"
    doc = inspect.cleandoc(section.__doc__ or "").replace("\n", " ")
    yield f"## {title}\n\n{doc}\n\n| key | type | default | |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"
    for below, at in inner:
        yield from _tables(below, at)


def _type(shape: Any) -> str:
    inner = [part for part in get_args(shape) if part is not NoneType]
    if len(inner) == 1 and NoneType in get_args(shape):
        return _type(inner[0])
    if get_origin(shape) is Literal:
        return " ".join(f"`{word}`" for word in get_args(shape))
    if of_dict := dict_of(shape):
        return f"table of {_type(of_dict[1])}"
    if get_origin(shape) is tuple:
        return f"list of {_type(get_args(shape)[0])}"
    if section := section_of(shape):
        return f"[{section.__name__.removesuffix('Config').lower()}](#{_anchor(section)})"
    words = {"str": "text", "int": "integer", "float": "number", "Decimal": "number"}
    words |= {"Path": "path", "bool": "`true` `false`"}
    parts = list(_parts(shape))
    plain = next(part for part in parts if isinstance(part, type))
    bounds = next((_bounds(part) for part in parts if isinstance(part, msgspec.Meta)), "")
    return words[plain.__name__] + bounds


def _parts(shape: Any) -> Iterator[Any]:
    """Of `Annotated` and unions, what stands in them."""
    if not (inner := get_args(shape)):
        yield shape
    for part in inner:
        yield from _parts(part)


def _anchor(section: type[msgspec.Struct]) -> str:
    return {"PriceConfig": "modelsnameprice", "DeploymentConfig": "modelsnamedeployments"}.get(
        section.__name__, ""
    )


def _bounds(meta: msgspec.Meta) -> str:
    if meta.gt is not None:
        return f" > {meta.gt:g}"
    return f" {meta.ge:g} to {meta.le:g}" if meta.le is not None and meta.le < MOST else f" ≥ {meta.ge:g}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default_factory is not msgspec.NODEFAULT or field.default in (None, ()):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"
