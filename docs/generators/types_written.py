"""Types and defaults in words, for tables of options."""

import inspect
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
from generators.markdown import code

from perpend.types import StrategySpec

WORDS = {"str": "text", "int": "integer", "float": "number", "Decimal": "number", "bool": "`true` `false`"}


def type_written(shape: Any) -> str:
    """`integer, 1 to 256`; `list of text`; the words of a Literal as code."""
    parts = get_args(shape)
    bounds = [part for part in parts if isinstance(part, msgspec.Meta)]
    if bounds:
        return type_written(parts[0]) + _bounds(bounds[0])
    if get_origin(shape) is Literal:
        return code(*parts)
    if get_origin(shape) in (list, tuple):
        inner = type_written(parts[0])
        return f"list of ({inner})" if " or " in inner else f"list of {inner}"
    if parts:
        return " or ".join(type_written(part) for part in parts if part is not NoneType)
    return "a strategy, with its options" if shape is StrategySpec else WORDS[shape.__name__]


def _bounds(meta: msgspec.Meta) -> str:
    """Bounds of numbers; how long texts and lists may be matters to nobody."""
    low = f"above {meta.gt:g}" if meta.gt is not None else f"{meta.ge:g}" if meta.ge is not None else ""
    high = f" to {meta.le:g}" if meta.le is not None else " or more" if low else ""
    return f", {low}{high}" if low else ""


def default_written(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if value is None or value == "":
        return ""
    if isinstance(value, StrategySpec):
        return code(value.name)
    shown = (
        str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else value
    )
    return code(str(shown).replace("\n", "\\n"))
