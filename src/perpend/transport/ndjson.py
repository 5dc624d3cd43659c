"""Newline-delimited JSON from bytes that come in any pieces."""

import re

import msgspec
from msgspec import Raw

from perpend.errors import UNREADABLE

MAX_EVENT_BYTES = 1 << 23
"""The largest real events repeat a whole response, or carry an image."""
MAX_BODY_BYTES = 1 << 26
"""Of a response that isn't streamed."""


BOM = b"\xef\xbb\xbf"

_NEXT_LINE = re.compile(rb"\n\s*(\S)")
_DATA = b"data:"
"""Some servers begin each line so, as in SSE."""


class LineParser:
    """Implements `Framing`. Raises ValueError for a line, or a body, that is too long.

    A first line that only opens an object, or begins a list, begins one JSON document in place of a stream: `close`
    returns it whole, or the objects in it.
    """

    def __init__(self) -> None:
        self.whole = False
        self._buffer = b""
        self._began = False

    def feed(self, chunk: bytes) -> list[bytes]:
        data = self._buffer + chunk
        if not self._began:
            data = self._begin(data)
        *lines, self._buffer = (b"", data) if self.whole else data.split(b"\n")
        if len(self._buffer) > (MAX_BODY_BYTES if self.whole else MAX_EVENT_BYTES):
            raise ValueError(f"a line has more than {MAX_EVENT_BYTES} bytes")
        return [line.removeprefix(_DATA) for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """A last line without its newline, or the document that came in place of a stream."""
        rest, self._buffer = self._buffer.removeprefix(BOM).strip().removeprefix(_DATA), b""
        events = json_objects(rest) if rest else []
        self.whole = self.whole and len(events) == 1
        return events

    def _begin(self, data: bytes) -> bytes:
        """The body so far, without a byte order mark and white space; decides whether it is one document."""
        body = data.removeprefix(BOM).lstrip()
        line, end, _ = body.partition(b"\n")
        if end:
            self._began, self.whole = True, line.strip() == b"{" or line.startswith(b"[")
        return body


def json_objects(body: bytes) -> list[bytes]:
    """The objects of a JSON body that is one object, a list of them, or has one on each line."""
    body = body.strip()
    if body.startswith(b"{") and one_per_line(body):
        return [line for line in body.splitlines() if line.strip()]
    if body.startswith(b"["):
        try:
            return [bytes(item) for item in msgspec.json.decode(body, type=list[Raw])]
        except UNREADABLE:
            pass
    return [body]


def one_per_line(body: bytes | bytearray, start: int = 0) -> bool | None:
    """Whether a body that begins with an object has one on each line.

    None: undecided, since no second line has begun; it is looked for from `start`.
    """
    if (found := _NEXT_LINE.search(body, start)) is None:
        return None
    return found[1] in (b"{", b"[") and body[: found.start()].rstrip().endswith(b"}")
