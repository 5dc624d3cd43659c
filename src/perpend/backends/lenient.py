"""JSON as servers send it, into the types that it should have: strictly first, by field where that fails.

A known field that is null where it can't be, or of a type that isn't near its own, is as if it weren't there. Near are:
a number and its text, a whole number with a point, a word for a truth, a text and a list of its parts, one thing and
a list of it. What isn't JSON stays an error. A `type` that isn't there is told by the other fields (`type_of`).
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
_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
_TEXTS = ("text", "thinking", "reasoning", "summary", "content", "value")
"""The fields of a part in which its text may be; the first that has some."""


class Lenient(Generic[E]):
    """Decodes one JSON object. Raises ValueError for what is none."""

    def __init__(self, kind: type[E]) -> None:
        self.kind = kind
        self._strict = msgspec.json.Decoder(kind)

    def decode(self, data: bytes | Raw) -> E:
        try:
            return self._strict.decode(data)
        except msgspec.ValidationError:
            found = _fitted(data, self.kind)
            if found is _ABSENT:
                raise
            return found


def _fitted(data: bytes | Raw, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        pass
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _one_of(data, get_args(kind))
    if origin in (list, tuple):
        return _list(data, origin, get_args(kind)[0])
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _struct(data, kind)
    return _NEAR.get(cast("Any", kind), _nothing)(msgspec.json.decode(data))


def _one_of(data: bytes | Raw, kinds: tuple[Any, ...]) -> Any:
    nested = bytes(data).lstrip()[:1] in (
        b"{",
        b"[",
    )  # what has parts is rather what may have some than a text
    ranked = sorted(kinds, key=lambda kind: (kind in _NEAR) == nested)
    fits = (_fitted(data, kind) for kind in ranked if kind is not NoneType)
    return next((found for found in fits if found is not _ABSENT), _ABSENT)


def _list(data: bytes | Raw, origin: type, kind: Any) -> Any:
    try:
        items = _ITEMS.decode(data)
    except msgspec.ValidationError:
        items = [] if bytes(data).strip() == b"null" else [data]
    return origin(found for item in items if (found := _fitted(item, kind)) is not _ABSENT)


@cache
def _fields(kind: type[Struct]) -> tuple[FieldInfo, ...]:
    """To read them takes longer than to decode most events."""
    return fields(kind)


def _struct(data: bytes | Raw, kind: type[Struct]) -> Any:
    known = _fields(kind)
    try:
        given = _OBJECT.decode(data)
    except msgspec.ValidationError:
        text = msgspec.json.decode(data)
        holds = isinstance(text, str) and any(field.name == "text" for field in known)
        return kind(text=text) if holds else _ABSENT
    found: dict[str, Any] = {}
    for field in known:
        if (
            field.encode_name in given
            and (value := _fitted(given[field.encode_name], field.type)) is not _ABSENT
        ):
            found[field.name] = value
        elif field.required:
            return _ABSENT
    return kind(**found)


def _text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, list):
        texts = [text for part in value if (text := _text(part)) is not _ABSENT]  # pyright: ignore[reportUnknownVariableType]
        return "".join(texts)
    if isinstance(value, dict):
        texts = (_text(value.get(name)) for name in _TEXTS)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        return next((text for text in texts if text is not _ABSENT), _ABSENT)
    return _ABSENT


def text_in(value: Any) -> str:
    """Of a text, or a part or a list of parts in any shape."""
    return "" if (text := _text(value)) is _ABSENT else text


def type_of(item: Struct, signs: Mapping[str, tuple[str, ...]]) -> str:
    """Its `type`; where that is no word, the first of `signs` that it has: a field that is there."""
    word: str = getattr(item, "type")  # noqa: B009
    if word[:1].isalpha():
        return word
    empty = type(item)()
    for kind, names in signs.items():
        for name in names:
            value = getattr(item, name)
            if value != getattr(empty, name) and value != _NULL:
                return kind
    return ""


def _float(value: Any) -> Any:
    try:
        return _ABSENT if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return _ABSENT


def _int(value: Any) -> Any:
    try:
        return _ABSENT if isinstance(value, bool) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return _ABSENT


def _bool(value: Any) -> Any:
    return _TRUTHS.get(str(value).strip().lower(), _ABSENT)


def _nothing(value: Any) -> Any:
    return _ABSENT


_NEAR = {str: _text, int: _int, float: _float, bool: _bool}


class Halves:
    """Letters that a server cut in two: one half's escape ends a text, the other begins the text of a later event."""

    def __init__(self) -> None:
        self._first = b""

    def mend(self, event: bytes) -> bytes:
        """The event, with no half of a letter in it; a first half waits for its other one."""
        return _ESCAPE.sub(self._mended, event)

    def _mended(self, found: re.Match[bytes]) -> bytes:
        escape, first, ends = found[0], found["first"], found["ends"]
        if first is not None and ends is not None:
            self._first = first
            return ends
        if first is not None:
            return _LOST
        if found["second"] is not None:
            whole, self._first = (self._first + escape if self._first else _LOST), b""
            return whole
        return escape


_LOST = rb"\ufffd"
_HIGH, _LOW = rb"\\u[dD][89aAbB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(
    rb"%b%b|(?P<first>%b)(?P<ends>\")?|(?P<second>%b)|\\[^u]" % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL
)
"""A whole letter, a half, or any other escape: of `\\\\ud83d` only the backslash is one."""
