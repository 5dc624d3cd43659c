"""Newline-delimited JSON from bytes that come in any pieces."""

import re

import msgspec
from msgspec import Raw

from perpend.errors import UNREADABLE

MOST_BYTES = 1 << 23
"""Bytes of one event. The largest real ones repeat a whole response, or carry a picture."""
MOST_BODY = 1 << 26
"""Bytes of a response that isn't streamed."""


BOM = b"\xef\xbb\xbf"

_NEXT_LINE = re.compile(rb"\n\s*(\S)")
_DATA = b"data:"
"""Begins the lines of a server that sends events."""


class LineParser:
    """Feed it reads, get the lines that they complete. Raises ValueError for one without an end.

    A first line that only opens an object, or begins a list, begins one body in the place of a stream: it is given
    whole, or the events in it.
    """

    def __init__(self) -> None:
        self.whole = False
        self._rest = b""
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        data = self._rest + chunk
        if not self._begun:
            data = self._begin(data)
        *lines, self._rest = (b"", data) if self.whole else data.split(b"\n")
        if len(self._rest) > (MOST_BODY if self.whole else MOST_BYTES):
            raise ValueError(f"a line has more than {MOST_BYTES} bytes")
        return [line.removeprefix(_DATA) for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """A last line without its newline."""
        rest, self._rest = self._rest.removeprefix(BOM).strip().removeprefix(_DATA), b""
        said = objects(rest) if rest else []
        self.whole = self.whole and len(said) == 1
        return said

    def _begin(self, data: bytes) -> bytes:
        """What is there of the body, less what may stand before it."""
        body = data.removeprefix(BOM).lstrip()
        line, end, _ = body.partition(b"\n")
        if end:
            self._begun, self.whole = True, line.strip() == b"{" or line.startswith(b"[")
        return body


def objects(body: bytes) -> list[bytes]:
    """Those of a JSON body: it is one, or a list of them, or has one on each line."""
    body = body.strip()
    if body.startswith(b"{") and on_lines(body):
        return [line for line in body.splitlines() if line.strip()]
    if body.startswith(b"["):
        try:
            return [bytes(one) for one in msgspec.json.decode(body, type=list[Raw])]
        except UNREADABLE:
            pass
    return [body]


def on_lines(body: bytes | bytearray, start: int = 0) -> bool | None:
    """What begins with an object has one on each line. None: its second line has yet to begin, not before `start`."""
    if (found := _NEXT_LINE.search(body, start)) is None:
        return None
    return found[1] in (b"{", b"[") and body[: found.start()].rstrip().endswith(b"}")
