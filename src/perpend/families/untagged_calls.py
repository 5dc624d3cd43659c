"""Reads tool calls that a model writes without tags: JSON at the beginning of a line, bare or in a fence.

JSON is a call only where it names an offered tool and fits its schema. All else is text, unchanged; only what may still
become a call is held back.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, cast

from msgspec import Struct

from perpend.errors import UNREADABLE
from perpend.types import Tool

_FENCE = re.compile(r"```[ \t]{0,4}(\w{0,12})[ \t]{0,4}\n")
_FENCE_MAY_COME = re.compile(r"`{1,2}|```[ \t]{0,4}\w{0,12}[ \t]{0,4}")
_FENCED_AS = ("", "json", "tool_call")
_HEAD = re.compile(r'(?:\[\s*)?\{\s*"(\w*)"(?:\s*:\s*("(?:[^"\\]|\\.)*"))?')
_HEAD_MAY_COME = re.compile(r'\[\s*|(?:\[\s*)?\{\s*(?:"\w*)?')
_NAME = ("name", "tool", "function")
_ARGUMENTS = ("arguments", "parameters")
_KEYS = frozenset((*_NAME, *_ARGUMENTS, "type", "id"))
_TAIL_CHARS = 8
"""An error so near the end may only mean that JSON isn't complete: a literal or an escape is cut."""
_JSON = json.JSONDecoder(strict=False)  # models don't escape line breaks in strings


class UntaggedCall(Struct, frozen=True):
    """A call of an offered tool."""

    name: str
    arguments: dict[str, Any]


_Verdict = Literal["open", "text"] | tuple[int, list[UntaggedCall]]
"""`open`: not decided yet; `text`: no call; else the end, in characters, and the calls."""


class UntaggedCallParser:
    """Any chunking of a text gives the same calls, and the same text once joined. Space around calls is dropped."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._schemas = {tool.name: tool.parameters for tool in tools}
        self._held = ""
        self._line_begins = True  # where what is held begins
        self._fenced = False  # within a fence that holds no call
        self._space = ""  # given as text unless a call follows
        self._called = False
        self._strip = False  # a call came just before

    def feed(self, text: str, *, last: bool = False) -> list[str | UntaggedCall]:
        """What is decided by now; all of it where this is the `last` piece."""
        pieces: list[str | UntaggedCall] = []
        self._held += text
        while self._held and self._step(pieces, last=last):
            pass
        if last and self._space and not self._called:
            pieces.append(self._space)
            self._space = ""
        return pieces

    def _step(self, pieces: list[str | UntaggedCall], *, last: bool) -> bool:
        """Consume a line, or a call; False where more has to come first."""
        if self._line_begins:
            rest = self._held.lstrip(" \t")
            verdict = self._verdict(rest)
            if verdict == "open" and not last:
                return False
            if isinstance(verdict, tuple):
                end, calls = verdict
                pieces += calls
                self._held, self._space = rest[end:], ""
                self._called = self._strip = True
                return True
            if rest.startswith("```"):
                self._fenced = not self._fenced
            self._line_begins = False
        line, end, _ = self._held.partition("\n")
        self._add_text(line + end, pieces)
        self._held = self._held[len(line) + len(end) :]
        self._line_begins = bool(end)
        return True

    def _add_text(self, text: str, pieces: list[str | UntaggedCall]) -> None:
        text = self._space + text
        if self._strip:
            text = text.lstrip()
        body = text.rstrip()
        self._space = text[len(body) :]
        if body:
            pieces.append(body)
            self._strip = False

    def _verdict(self, rest: str) -> _Verdict:
        if not rest:
            return "open"
        if rest[0] == "`":
            return self._in_fence(rest)
        return "text" if self._fenced else self._value(rest)

    def _in_fence(self, rest: str) -> _Verdict:
        """Calls where a fence holds nothing else; other fences are text."""
        opened = _FENCE.match(rest)
        if opened is None:
            return "open" if _FENCE_MAY_COME.fullmatch(rest) else "text"
        if self._fenced or opened[1] not in _FENCED_AS:
            return "text"
        at, calls = opened.end(), list[UntaggedCall]()
        while True:
            inner = rest[at:].lstrip()
            at = len(rest) - len(inner)
            if calls and inner.startswith("```"):
                return at + 3, calls
            if not inner or (calls and "```".startswith(inner)):
                return "open"
            verdict = self._value(inner)
            if not isinstance(verdict, tuple):
                return verdict
            at += verdict[0]
            calls += verdict[1]

    def _value(self, rest: str) -> _Verdict:
        head = _HEAD.match(rest)
        if head is None:
            return "open" if _HEAD_MAY_COME.fullmatch(rest) else "text"
        if head[1] not in _KEYS:
            return "text"
        if head[1] in _NAME and head[2] and _decoded(head[2], strict=False) not in self._schemas:
            return "text"
        try:
            value, end = _JSON.raw_decode(rest)
        except json.JSONDecodeError as error:
            unfinished = error.msg.startswith("Unterminated") or error.pos >= len(rest) - _TAIL_CHARS
            return "open" if unfinished else "text"
        except RecursionError:
            return "text"
        calls = [
            self._call(item) for item in (cast("list[Any]", value) if isinstance(value, list) else [value])
        ]
        whole = [call for call in calls if call is not None]
        return (end, whole) if len(whole) == len(calls) else "text"

    def _call(self, value: Any) -> UntaggedCall | None:
        if not isinstance(value, dict):
            return None
        call = cast("dict[str, Any]", value)
        if not call.keys() <= _KEYS:
            return None
        if isinstance(inner := call.get("function"), dict):
            call = cast("dict[str, Any]", inner)
        name = next((call[key] for key in _NAME if key in call), None)
        arguments = next((call[key] for key in _ARGUMENTS if key in call), None)
        if isinstance(arguments, str):
            arguments = _decoded(arguments)
        if not isinstance(name, str) or not isinstance(arguments, dict) or name not in self._schemas:
            return None
        given = cast("dict[str, Any]", arguments)
        return UntaggedCall(name, given) if fits(self._schemas[name], given) else None


def _decoded(text: str, *, strict: bool = True) -> Any:
    """None where it isn't JSON. `strict`: nor is a control character within a string."""
    try:
        return json.loads(text, strict=strict)
    except UNREADABLE:
        return None


_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def fits(schema: Any, value: Any) -> bool:
    """Whether `value` has the types, required keys and enumerated values of a JSON schema; other rules are ignored."""
    if not isinstance(schema, dict):
        return True
    rules = cast("dict[str, Any]", schema)
    if "enum" in rules and value not in rules["enum"]:
        return False
    kinds = rules.get("type")
    if kinds and not any(
        _has_type(value, kind) for kind in (cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds])
    ):
        return False
    if isinstance(value, list):
        return all(fits(rules.get("items"), item) for item in cast("list[Any]", value))
    if not isinstance(value, dict):
        return True
    given, known = cast("dict[str, Any]", value), cast("dict[str, Any]", rules.get("properties") or {})
    if any(key not in given for key in rules.get("required") or ()):
        return False
    if rules.get("additionalProperties") is False and not given.keys() <= known.keys():
        return False
    return all(fits(known.get(key), item) for key, item in given.items())


def _has_type(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(str(kind), object))
