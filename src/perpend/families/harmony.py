"""OpenAI's harmony format, as gpt-oss writes it (openai/harmony, docs/format.md): messages on channels.

`analysis` is thinking; `final`, and `commentary` without a recipient, are the answer; a message to a tool calls it.
"""

import re
from typing import Literal

Piece = tuple[Literal["thinking", "answer", "tool", "arguments"], str]
"""`tool`: its name, once; the `arguments` after it are that call's."""

_BODY = "<|message|>"
_ENDS = ("<|end|>", "<|return|>", "<|call|>")
_STARTS = ("<|start|>", "<|channel|>")
CHANNELS = (_BODY, *_STARTS)
"""A text in this format begins with one of these."""
_MARKS = re.compile("|".join(re.escape(mark) for mark in (_BODY, *_ENDS, *_STARTS)))
_MAX_MARK_CHARS = max(map(len, (_BODY, *_ENDS, *_STARTS)))
_RECIPIENTS_NO_TOOLS = ("assistant", "user", "all")

_ROLE = re.compile(r"<\|start\|>\s*([\w.\-]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_TO = re.compile(r"\bto=([^\s<]+)")
_HEADER = re.compile(r"<\|(?:start|channel|constrain)\|>\s*[\w.\-]*|\bto=[^\s<]+|^\s*assistant\b")


class HarmonyParser:
    """Implements `think_tags.ThinkParser`. The text begins after the prompt's `<|start|>assistant`."""

    def __init__(self, *, thinking: bool = False) -> None:
        self._held = ""
        self._kind: Literal["thinking", "answer", "arguments"] = "thinking" if thinking else "answer"
        self._header = ""
        self._in_body: bool | None = None  # None: not known before the first characters
        self._last: str | None = None  # the kind of the last piece
        self._new = False  # a message has begun, and none of its body has come

    def feed(self, text: str) -> list[Piece]:
        self._held += text
        return self._drain(last=False)

    def close(self, *, cut: bool = False) -> list[Piece]:
        pieces = self._drain(last=True)
        if body := _HEADER.sub("", self._header).strip():  # a body without its mark is kept
            self._begin(pieces)
            self._body(body, pieces)
        return pieces

    def _drain(self, *, last: bool) -> list[Piece]:
        pieces: list[Piece] = []
        if self._in_body is None:
            begins = _begins_with_header(self._held)
            if begins is None and not last:
                return pieces
            self._in_body = not begins
        while self._held:
            found = _MARKS.search(self._held)
            if found is None:
                self._take(len(self._held) - (0 if last else _partial(self._held)), pieces)
                break
            self._take(found.start(), pieces)
            self._held = self._held[len(found.group()) :]
            self._mark(found.group(), pieces)
        return pieces

    def _take(self, length: int, pieces: list[Piece]) -> None:
        text, self._held = self._held[:length], self._held[length:]
        if self._in_body:
            self._body(text, pieces)
        else:
            self._header += text

    def _body(self, text: str, pieces: list[Piece]) -> None:
        if not text:
            return
        if self._new and self._last == self._kind != "arguments":
            text = "\n\n" + text
        self._new = False
        self._last = self._kind
        pieces.append((self._kind, text))

    def _mark(self, mark: str, pieces: list[Piece]) -> None:
        if mark == _BODY:
            if not self._in_body:
                self._begin(pieces)
            self._in_body = True
            return
        if self._in_body or mark == "<|start|>":
            self._header = ""
        self._in_body = False
        if mark in _STARTS:
            self._header += mark

    def _begin(self, pieces: list[Piece]) -> None:
        """A message's body begins: its header names channel, role and recipient."""
        header, self._header = self._header, ""
        self._new = True
        to, channel, role = _TO.search(header), _CHANNEL.search(header), _ROLE.search(header)
        if to is not None and to[1] not in _RECIPIENTS_NO_TOOLS:
            self._kind = "arguments"
            self._last = "tool"
            pieces.append(("tool", to[1].removeprefix("functions.")))
        elif (channel is not None and channel[1] == "analysis") or (role and role[1] != "assistant"):
            self._kind = "thinking"
        else:
            self._kind = "answer"


def _begins_with_header(text: str) -> bool | None:
    """Whether the text begins with a message header; None: it's too short to tell."""
    head = text.lstrip()
    if any(head.startswith(mark) for mark in (*CHANNELS, "to=")):
        return True
    if not head or any(mark.startswith(head) for mark in (*CHANNELS, "to=")):
        return None
    return False


def _partial(text: str) -> int:
    """Length of the end of `text` that may be the beginning of a mark."""
    start = text.rfind("<", max(0, len(text) - _MAX_MARK_CHARS + 1))
    if start < 0:
        return 0
    tail = text[start:]
    return len(tail) if any(mark.startswith(tail) for mark in (_BODY, *_ENDS, *_STARTS)) else 0
