"""Decodes servers' JSON leniently: strictly first, and field by field where that fails.

A field whose value can't be converted to its type, null included, counts as missing. Converted are: a number and its
text, a float that is whole, a word for a boolean, a text and a list of its parts, one item and a list of it. Text that
isn't JSON stays an error. A missing `type` is inferred from the other fields (`type_of`).
"""

import re
from collections.abc import Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, Union, cast, get_args, get_origin

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import FieldInfo, fields

E = TypeVar("E")

_ABSENT: Final = object()
_NULL = Raw(b"null")
_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_ITEMS = msgspec.json.Decoder(list[Raw])
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_TEXTS = ("text", "thinking", "reasoning", "summary", "content", "value")
"""Fields that may hold a part's text; the first that has some counts."""


class Lenient(Generic[E]):
    """Decodes one JSON object. Raises ValueError for anything else."""

    def __init__(self, kind: type[E]) -> None:
        self.kind = kind
        self._strict = msgspec.json.Decoder(kind)

    def decode(self, data: bytes | Raw) -> E:
        try:
            return self._strict.decode(data)
        except msgspec.ValidationError:
            coerced = _coerce(data, self.kind)
            if coerced is _ABSENT:
                raise
            return coerced


def _coerce(data: bytes | Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        pass
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _coerce_union(data, get_args(kind))
    if origin in (list, tuple):
        return _coerce_list(data, origin, get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _coerce_struct(data, kind)
    return _COERCERS.get(cast("Any", kind), _coerce_nothing)(msgspec.json.decode(data))


def _coerce_union(data: bytes | Raw, kinds: tuple[Any, ...]) -> Any:
    nested = bytes(data).lstrip()[:1] in (
        b"{",
        b"[",
    )  # nested JSON is tried as a struct or list before a text
    ranked = sorted(kinds, key=lambda kind: (kind in _COERCERS) == nested)
    candidates = (_coerce(data, kind) for kind in ranked if kind is not NoneType)
    return next((coerced for coerced in candidates if coerced is not _ABSENT), _ABSENT)


def _coerce_list(data: bytes | Raw, origin: type, kind: Any) -> Any:
    try:
        items = _ITEMS.decode(data)
    except msgspec.ValidationError:
        items = [] if bytes(data).strip() == b"null" else [data]
    return origin(coerced for item in items if (coerced := _coerce(item, kind)) is not _ABSENT)


@cache
def _fields(kind: type[Struct]) -> tuple[FieldInfo, ...]:
    """Cached: reading them takes longer than decoding most events."""
    return fields(kind)


def _coerce_struct(data: bytes | Raw, kind: type[Struct]) -> Any:
    field_infos = _fields(kind)
    try:
        values = _OBJECT.decode(data)
    except msgspec.ValidationError:
        text = msgspec.json.decode(data)
        has_text = isinstance(text, str) and any(field.name == "text" for field in field_infos)
        return kind(text=text) if has_text else _ABSENT
    coerced: dict[str, Any] = {}
    for field in field_infos:
        if (
            field.encode_name in values
            and (value := _coerce(values[field.encode_name], field.type)) is not _ABSENT
        ):
            coerced[field.name] = value
        elif field.required:
            return _ABSENT
    return kind(**coerced)


def _coerce_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        texts = [text for part in value if (text := _coerce_text(part)) is not _ABSENT]  # pyright: ignore[reportUnknownVariableType]
        return "".join(texts)
    if isinstance(value, dict):
        texts = (_coerce_text(value.get(name)) for name in _TEXTS)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        return next((text for text in texts if text is not _ABSENT), _ABSENT)
    return _ABSENT


def text_in(value: Any) -> str:
    """The text of a string, a part, or a list of parts in any shape."""
    return "" if (text := _coerce_text(value)) is _ABSENT else text


def type_of(item: Struct, signs: Mapping[str, tuple[str, ...]]) -> str:
    """The item's `type`; where it has none, the first kind of `signs` of which it has a field."""
    type_name: str = getattr(item, "type")  # noqa: B009
    if type_name[:1].isalpha():
        return type_name
    empty = type(item)()
    for kind, names in signs.items():
        for name in names:
            value = getattr(item, name)
            if value != getattr(empty, name) and value != _NULL:
                return kind
    return ""


def _coerce_float(value: Any) -> Any:
    try:
        return _ABSENT if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return _ABSENT


def _coerce_int(value: Any) -> Any:
    try:
        return _ABSENT if isinstance(value, bool) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return _ABSENT


def _coerce_bool(value: Any) -> Any:
    return _BOOLEANS.get(str(value).strip().lower(), _ABSENT)


def _coerce_nothing(value: Any) -> Any:
    return _ABSENT


_COERCERS = {str: _coerce_text, int: _coerce_int, float: _coerce_float, bool: _coerce_bool}


class Halves:
    """Joins surrogate pairs that a server split: one escape ends a text, the other begins that of a later event."""

    def __init__(self) -> None:
        self._first = b""

    def mend(self, event: bytes) -> bytes:
        """The event without half pairs; a first half is held until the second comes."""
        return _ESCAPE.sub(self._mended, event)

    def _mended(self, match: re.Match[bytes]) -> bytes:
        escape, first, ends = match[0], match["first"], match["ends"]
        if first is not None and ends is not None:
            self._first = first
            return ends
        if first is not None:
            return _LOST
        if match["second"] is not None:
            letter, self._first = (self._first + escape if self._first else _LOST), b""
            return letter
        return escape


_LOST = rb"\ufffd"
_HIGH, _LOW = rb"\\u[dD][89aAbB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"%b%b|(?P<first>%b)(?P<ends>\")?|(?P<second>%b)|\\[^u]" % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL
)
"""A whole letter, a half, or any other escape: of `\\\\ud83d` only the backslash is one."""
