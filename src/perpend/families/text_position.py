"""The state at the end of a growing text: its line, and the quotation or code that is open.

Code is CommonMark's: fenced blocks, indented code and code spans.
"""

import re

MAX_UNREAD = 128
"""Chunks that are kept before they are read."""
_HEAD_CHARS = 24
"""Of a line's beginning and end that are kept."""
_FENCE = re.compile(r"(?:>\s?|[-*+]\s+|\d{1,3}[.)]\s+)*(`{3,}|~{3,})\s*")
_RUNS = re.compile(r"`+|[^`]+")
_INDENT = 4
_LEAST_FENCE = 3


class TextPosition:
    """Chunks are only collected, and read once a property is asked for: a chunk costs next to nothing."""

    def __init__(self, unread: list[str] | None = None) -> None:
        """`unread`: the list that chunks are put into; the caller may append to it."""
        self._unread = [] if unread is None else unread
        self._tail = self._head = ""
        self._length = self._indent = self._quotes = self._ticks = self._span = 0
        self._fence = ""
        self._after_blank = False

    @property
    def length(self) -> int:
        """Characters so far."""
        self._read()
        return self._length

    @property
    def tail(self) -> str:
        """The last characters of the line so far."""
        self._read()
        return self._tail

    @property
    def last(self) -> str:
        """The line's last character so far."""
        return self.tail[-1:]

    @property
    def blank(self) -> bool:
        """Whether the line so far is white space alone."""
        self._read()
        return not self._head

    @property
    def in_code(self) -> bool:
        """Whether it is within a code block, or on the line that begins one. Indented code follows a blank line."""
        self._read()
        self._end_run()
        indented = self._after_blank and self._indent >= _INDENT
        return bool(self._fence) or indented or self._span >= _LEAST_FENCE

    @property
    def open_quotes(self) -> str:
        """The characters that would close what is open on this line: a quotation, a code span."""
        self._read()
        self._end_run()
        return ('"' if self._quotes % 2 else "") + ("`" if self._span else "")

    @property
    def quoted(self) -> bool:
        """Whether it is in code, or a quotation is open."""
        return self.in_code or bool(self.open_quotes)

    def advance(self, text: str) -> None:
        """Add the next chunk."""
        self._unread.append(text)
        if len(self._unread) > MAX_UNREAD:
            self._read()

    def _read(self) -> None:
        if not self._unread:
            return
        text = "".join(self._unread)
        self._unread.clear()
        self._length += len(text)
        *lines, rest = text.split("\n")
        for line in lines:
            self._add(line)
            self._end_line()
        self._add(rest)

    def _add(self, text: str) -> None:
        if not text:
            return
        if not self._head:
            body = text.lstrip()
            self._indent += len(text[: len(text) - len(body)].expandtabs(_INDENT))
            self._head = body[:_HEAD_CHARS]
        elif len(self._head) < _HEAD_CHARS:
            self._head = (self._head + text)[:_HEAD_CHARS]
        escaped = text.count('\\"') + (self._tail.endswith("\\") and text.startswith('"'))
        self._quotes += text.count('"') - escaped
        self._tail = (self._tail + text)[-_HEAD_CHARS:]
        if self._ticks or "`" in text:
            for piece in _RUNS.findall(text):
                if piece[0] == "`":
                    self._ticks += len(piece)
                else:
                    self._end_run()

    def _end_run(self) -> None:
        """A run of backticks has ended: it opens a code span, or closes one that as many opened."""
        if self._ticks:
            self._span = self._ticks if not self._span else 0 if self._span == self._ticks else self._span
            self._ticks = 0

    def _end_line(self) -> None:
        self._end_run()
        marks = _FENCE.match(self._head)
        if self._fence:
            if marks and marks[1].startswith(self._fence) and not self._head[marks.end() :]:
                self._fence = ""
        elif marks and (marks[1][0] == "~" or self._span):  # else a code span that ended on this line
            self._fence = marks[1]
        self._after_blank = not self._head
        self._tail = self._head = ""
        self._indent = self._quotes = self._span = 0
