"""Where on its line, and inside which quotation or code (CommonMark: fences, indented code, code spans), a text is."""

import re

MOST_UNREAD = 128
_HEAD = 24
_FENCE = re.compile(r"(?:>\s?|[-*+]\s+|\d{1,3}[.)]\s+)*(`{3,}|~{3,})\s*")
_RUNS = re.compile(r"`+|[^`]+")
_INDENT = 4
_LEAST_FENCE = 3


class TextPosition:
    """Advanced by what was said, which is read when somebody asks: costs next to nothing for each chunk."""

    def __init__(self, unread: list[str] | None = None) -> None:
        """`unread`: where it is said."""
        self._unread = [] if unread is None else unread
        self._tail = self._head = ""
        self._length = self._indent = self._quotes = self._run = self._span = 0
        self._fence = ""
        self._after_blank = False

    @property
    def length(self) -> int:
        """Characters so far."""
        self._read()
        return self._length

    @property
    def tail(self) -> str:
        """The last of its line so far."""
        self._read()
        return self._tail

    @property
    def last(self) -> str:
        """The line's last character so far."""
        return self.tail[-1:]

    @property
    def blank(self) -> bool:
        """Nothing but white space on this line so far."""
        self._read()
        return not self._head

    @property
    def in_code(self) -> bool:
        """Within a block of it, or on the line that begins one. An indented one follows a blank line."""
        self._read()
        self._end_run()
        indented = self._after_blank and self._indent >= _INDENT
        return bool(self._fence) or indented or self._span >= _LEAST_FENCE

    @property
    def open_quotes(self) -> str:
        """Signs of which one would end a quotation, or a code span, that is open on this line."""
        self._read()
        self._end_run()
        return ('"' if self._quotes % 2 else "") + ("`" if self._span else "")

    @property
    def quoted(self) -> bool:
        return self.in_code or bool(self.open_quotes)

    def advance(self, text: str) -> None:
        self._unread.append(text)
        if len(self._unread) > MOST_UNREAD:
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
            self._head = body[:_HEAD]
        elif len(self._head) < _HEAD:
            self._head = (self._head + text)[:_HEAD]
        escaped = text.count('\\"') + (self._tail.endswith("\\") and text.startswith('"'))
        self._quotes += text.count('"') - escaped
        self._tail = (self._tail + text)[-_HEAD:]
        if self._run or "`" in text:
            for piece in _RUNS.findall(text):
                if piece[0] == "`":
                    self._run += len(piece)
                else:
                    self._end_run()

    def _end_run(self) -> None:
        """Of ticks: so many begin a code span, and as many end it."""
        if self._run:
            self._span = self._run if not self._span else 0 if self._span == self._run else self._span
            self._run = 0

    def _end_line(self) -> None:
        self._end_run()
        marks = _FENCE.match(self._head)
        if self._fence:
            if marks and marks[1].startswith(self._fence) and not self._head[marks.end() :]:
                self._fence = ""
        elif marks and (marks[1][0] == "~" or self._span):  # else its span ended on this line
            self._fence = marks[1]
        self._after_blank = not self._head
        self._tail = self._head = ""
        self._indent = self._quotes = self._span = 0
