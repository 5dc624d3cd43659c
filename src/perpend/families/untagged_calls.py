"""Calls that a model writes into its text without tags: JSON, bare or in a fence, at the beginning of a line.

It is one only where it names an offered tool and fits its schema. All else is text, to the letter: only what may still
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
_NEARLY = 8
"""Letters before its end at which JSON that isn't whole yet may seem wrong: in a literal, or an escape."""
_JSON = json.JSONDecoder(strict=False)  # models leave line breaks in strings as they are


class UntaggedCall(Struct, frozen=True):
    name: str
    arguments: dict[str, Any]


_Verdict = Literal["open", "text"] | tuple[int, list[UntaggedCall]]
"""Of what may be a call: undecided yet, none, or calls and where they end."""


class UntaggedCallParser:
    """Any chopping of a text gives the same calls, and the same texts once joined. Space around calls isn't text."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._schemas = {tool.name: tool.parameters for tool in tools}
        self._held = ""
        self._line_begins = True  # where what is held begins
        self._fenced = False  # within a fence that is no call's
        self._space = ""  # said, unless a call follows
        self._called = False
        self._strip = False  # a call came just before

    def feed(self, text: str, *, last: bool = False) -> list[str | UntaggedCall]:
        """What is decided by now; all of it where this is the `last` piece."""
        said: list[str | UntaggedCall] = []
        self._held += text
        while self._held and self._step(said, last=last):
            pass
        if last and self._space and not self._called:
            said.append(self._space)
            self._space = ""
        return said

    def _step(self, said: list[str | UntaggedCall], *, last: bool) -> bool:
        """Up to the end of a line, or a call; False where more has to come first."""
        if self._line_begins:
            rest = self._held.lstrip(" \t")
            verdict = self._verdict(rest)
            if verdict == "open" and not last:
                return False
            if isinstance(verdict, tuple):
                end, calls = verdict
                said += calls
                self._held, self._space = rest[end:], ""
                self._called = self._strip = True
                return True
            if rest.startswith("```"):
                self._fenced = not self._fenced
            self._line_begins = False
        line, end, _ = self._held.partition("\n")
        self._say(line + end, said)
        self._held = self._held[len(line) + len(end) :]
        self._line_begins = bool(end)
        return True

    def _say(self, text: str, said: list[str | UntaggedCall]) -> None:
        text = self._space + text
        if self._strip:
            text = text.lstrip()
        body = text.rstrip()
        self._space = text[len(body) :]
        if body:
            said.append(body)
            self._strip = False

    def _verdict(self, rest: str) -> _Verdict:
        if not rest:
            return "open"
        if rest[0] == "`":
            return self._in_fence(rest)
        return "text" if self._fenced else self._value(rest)

    def _in_fence(self, rest: str) -> _Verdict:
        """A fence of nothing but calls. The end of another one is text too."""
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
        if head[1] in _NAME and head[2] and json.loads(head[2], strict=False) not in self._schemas:
            return "text"
        try:
            value, end = _JSON.raw_decode(rest)
        except json.JSONDecodeError as error:
            unfinished = error.msg.startswith("Unterminated") or error.pos >= len(rest) - _NEARLY
            return "open" if unfinished else "text"
        except RecursionError:
            return "text"
        calls = [
            self._call(one) for one in (cast("list[Any]", value) if isinstance(value, list) else [value])
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


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
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
    """Whether `value` has the types, keys and enumerated values of a JSON schema; what else it says isn't looked at."""
    if not isinstance(schema, dict):
        return True
    rules = cast("dict[str, Any]", schema)
    if "enum" in rules and value not in rules["enum"]:
        return False
    kinds = rules.get("type")
    if kinds and not any(
        _is(value, kind) for kind in (cast("list[Any]", kinds) if isinstance(kinds, list) else [kinds])
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


def _is(value: Any, kind: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(str(kind), object))
