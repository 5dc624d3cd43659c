"""Where on its line, and inside which quotation or code (CommonMark: fences, code spans), a text is."""

_HEAD = 8
_FENCES = ("```", "~~~")


class Place:
    """Advanced by what was said; costs a few counts for each chunk."""

    def __init__(self) -> None:
        self.last = ""
        """The line's last character so far."""
        self._head = ""
        self._quotes = self._ticks = 0
        self._fence = ""

    @property
    def blank(self) -> bool:
        """Nothing but white space on this line so far."""
        return not self._head.strip()

    @property
    def quoted(self) -> bool:
        return bool(self._fence or self._quotes % 2 or self._ticks % 2)

    def advance(self, text: str) -> None:
        *lines, rest = text.split("\n")
        for line in lines:
            self._add(line)
            self._end_line()
        self._add(rest)

    def _add(self, text: str) -> None:
        if not text:
            return
        if self.blank:
            self._head = (self._head + text).lstrip()[:_HEAD]
        elif len(self._head) < _HEAD:
            self._head = (self._head + text)[:_HEAD]
        self.last = text[-1]
        self._quotes += text.count('"')
        self._ticks += text.count("`")

    def _end_line(self) -> None:
        if self._fence:
            if self._head.startswith(self._fence):
                self._fence = ""
        elif self._head.startswith(_FENCES):
            self._fence = self._head[:3]
        self.last = self._head = ""
        self._quotes = self._ticks = 0
