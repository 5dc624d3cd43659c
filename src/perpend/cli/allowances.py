"""Limits as a command line names them: LIMIT=VALUE."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import asdict, fields

from perpend.config.check import explain
from perpend.config.limits import UNLIMITED, Allowance
from perpend.errors import BadRequest
from perpend.registry import nearest

_NONE = ("", "none")
"""Values that take a limit away."""
_LISTS = ("models", "efforts", "strategies")


def allowance_of(limits: Sequence[str], before: Allowance | None = None) -> Allowance | None:
    """`before` with the named limits changed; None where none is left. Raises BadRequest naming the limit."""
    types = {field.name: field.type for field in fields(Allowance)}
    values: dict[str, Any] = asdict(before or UNLIMITED)
    for limit in limits:
        name, equals, text = limit.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name not in types:
            close = nearest(name, types)
            hint = f"did you mean {close}?" if close else f"known: {', '.join(types)}"
            what = f"there is no limit {name!r}" if equals else f"{limit!r} names no value"
            raise BadRequest(what, hint=hint if equals else "such as requests_per_minute=60", field=name)
        if text.strip().lower() in _NONE:
            values[name] = None
            continue
        value: Any = text.strip().removeprefix("$")
        if name in _LISTS:
            value = [part.strip() for part in text.split(",")]
        try:
            values[name] = msgspec.convert(value, types[name], strict=False)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{limit}: {explain(value, types[name], error)}", field=name) from None
    try:
        allowance = Allowance(**values)
    except ValueError as error:
        raise BadRequest(str(error), field="limit") from None
    return None if allowance == UNLIMITED else allowance


def allowance_text(allowance: Allowance | None) -> str:
    """As `allowance_of` reads it."""
    if allowance is None:
        return ""
    values: dict[str, Any] = msgspec.to_builtins(allowance)
    return ", ".join(f"{name}={_text(value)}" for name, value in values.items())


def _text(value: Any) -> str:
    return ",".join(value) if isinstance(value, list | tuple) else str(value)  # pyright: ignore[reportUnknownArgumentType]
