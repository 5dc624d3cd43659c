"""Reads tool calls out of an answer while it streams: between the tags that `tool_markup` asks for, or without tags.

Any chunking of a text gives the same calls; what is no call stays text, unchanged.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from perpend.errors import UNREADABLE
from perpend.families.tool_markup import CLOSE, OPEN
from perpend.families.untagged_calls import UntaggedCall, UntaggedCallParser
from perpend.types import Tool, ToolCallDelta, new_id

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)')
_json = msgspec.json.encode


class ToolCallReader:
    """Reads calls between tags, and with `untagged`, for families that leave tags out, calls in the other text too.

    `inside`: the answer begins within a call, whose tag is in the prompt.
    """

    def __init__(self, tools: Sequence[Tool], *, inside: bool = False, untagged: bool = False) -> None:
        self.calls = 0
        self._tagged = ToolCallParser(inside=inside)
        self._untagged = UntaggedCallParser(tools) if untagged else None

    def feed(self, text: str) -> list[str | ToolCallDelta]:
        return self._read(self._tagged.feed(text))

    def close(self) -> list[str | ToolCallDelta]:
        return [*self._read(self._tagged.close()), *self._in_text("", last=True)]

    def _read(self, pieces: list[str | ToolCallDelta]) -> list[str | ToolCallDelta]:
        read: list[str | ToolCallDelta] = []
        for piece in pieces:
            if isinstance(piece, str):
                read += self._in_text(piece)
            else:
                read += [*self._in_text("", last=True), self._numbered(piece)]
        return read

    def _in_text(self, text: str, *, last: bool = False) -> list[str | ToolCallDelta]:
        if self._untagged is None:
            return [text] if text else []
        return [
            self._call(piece) if isinstance(piece, UntaggedCall) else piece
            for piece in self._untagged.feed(text, last=last)
        ]

    def _call(self, call: UntaggedCall) -> ToolCallDelta:
        arguments = _json(call.arguments).decode()
        return self._numbered(ToolCallDelta(0, new_id("call"), call.name, arguments))

    def _numbered(self, piece: ToolCallDelta) -> ToolCallDelta:
        """The piece with the answer's index of its call; one with an id begins the next call."""
        self.calls += bool(piece.id)
        piece.index = self.calls - 1
        return piece


class ToolCallParser:
    """Reads the calls between tags. White space around them is dropped.

    `inside`: the answer begins within a call, whose tag is in the prompt.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self.calls = 0
        self._held = ""  # text that may be space before a call or part of a tag, or a call's head
        self._inside = inside
        self._arguments: _ObjectEnd | None = None

    def feed(self, text: str) -> list[str | ToolCallDelta]:
        """Texts and pieces of calls, as far as they are decided."""
        out: list[str | ToolCallDelta] = []
        self._held += text
        while self._held:
            if not self._step(out):
                break
        return out

    def close(self) -> list[str | ToolCallDelta]:
        """What was held back, now that nothing more comes."""
        out: list[str | ToolCallDelta] = []
        held, self._held = self._held, ""
        if self._inside and self._arguments is None:
            self._whole(held, out, "")
        elif not self._inside and (held.strip() or not self.calls):
            out.append(held)
        return [piece for piece in out if piece]

    def _step(self, out: list[str | ToolCallDelta]) -> bool:
        """One tag or piece; False where more has to come first."""
        if not self._inside:
            return self._text(out)
        if self._arguments is None:
            return self._begin(out)
        rest = self._arguments.take(self._held)
        if piece := self._held[: len(self._held) - len(rest)]:
            out.append(ToolCallDelta(self.calls - 1, arguments=piece))
        self._held = rest
        if not self._arguments.done:
            return False
        end = self._held.find(CLOSE)
        if end < 0:
            return False
        self._leave(end)
        return True

    def _text(self, out: list[str | ToolCallDelta]) -> bool:
        before, tag, after = self._held.partition(OPEN)
        if tag:
            if before.strip():
                out.append(before.rstrip())
            self._held, self._inside = after, True
            return True
        keep = len(before) - len(before.rstrip())
        start = before.rfind("<")
        if start >= 0 and OPEN.startswith(before[start:]):
            keep = len(before) - len(before[:start].rstrip())
        ready = before[: len(before) - keep]
        if ready:
            out.append(ready)
        self._held = before[len(before) - keep :]
        return False

    def _begin(self, out: list[str | ToolCallDelta]) -> bool:
        head = _HEAD.match(self._held)
        if head is not None:
            out.append(self._named(msgspec.json.decode(head[1], type=str)))
            self._arguments, self._held = _ObjectEnd(), self._held[head.end() :]
            return True
        end = self._held.find(CLOSE)
        if end < 0:
            return False
        body = self._held[:end]
        self._leave(end)
        self._whole(body, out, CLOSE)
        return True

    def _whole(self, body: str, out: list[str | ToolCallDelta], close: str) -> None:
        """A call whose JSON isn't in the usual order, or text where it's no call."""
        try:
            call = msgspec.json.decode(body, type=_Call)
        except UNREADABLE:
            out.append(f"{OPEN}{body}{close}")
            return
        delta = self._named(call.name)
        delta.arguments = _json(call.arguments).decode()
        out.append(delta)

    def _named(self, name: str) -> ToolCallDelta:
        self.calls += 1
        return ToolCallDelta(self.calls - 1, new_id("call"), name)

    def _leave(self, end: int) -> None:
        self._held = self._held[end + len(CLOSE) :]
        self._inside, self._arguments = False, None


class _Call(msgspec.Struct):
    name: str
    arguments: dict[str, Any]


class _ObjectEnd:
    """Finds the end of a JSON object that comes in chunks."""

    def __init__(self) -> None:
        self.done = False
        self._depth = 0
        self._quoted = self._escaped = False

    def take(self, text: str) -> str:
        """The part of `text` after the object's end."""
        if self.done:
            return text
        for at, letter in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._quoted:
                self._escaped = letter == "\\"
                self._quoted = letter != '"'
            elif letter == '"':
                self._quoted = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                self._depth -= 1
                if not self._depth:
                    self.done = True
                    return text[at + 1 :]
        return ""
