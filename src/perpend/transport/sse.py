"""Server-sent events from bytes that come in any pieces (HTML Living Standard, section 9.2)."""

from perpend.transport.ndjson import (
    BOM,
    MAX_BODY_BYTES,
    MAX_EVENT_BYTES,
    LineParser,
    json_objects,
    one_per_line,
)


class SSEParser:
    """Implements `Framing`: yields the `data` of each event. Raises ValueError for an event or body that is too long.

    A body that begins as JSON does is no event stream, whatever was asked for: `close` returns it whole, or the objects
    in it. Where a second object begins on a line of its own, it is read as newline-delimited JSON.
    """

    def __init__(self) -> None:
        self.whole = False
        self._buffer = b""
        self._began = False
        self._body = bytearray()
        self._one_document = False  # its second line doesn't begin an object
        self._searched = 0  # up to here, no second line begins in the body
        self._lines: LineParser | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        if self._lines is not None:
            return self._lines.feed(chunk)
        if not self._began and not (chunk := self._begin(chunk)):
            return []
        if self.whole:
            return self._json(chunk)
        if not self._buffer and chunk.startswith(b"data: ") and chunk.endswith(b"\n\n"):
            # Nearly every read holds whole events of one line each: split them in one go.
            payloads = chunk[6:-2].split(b"\n\ndata: ")
            if chunk.count(b"\n") == 2 * len(payloads) and b"\r" not in chunk and b"" not in payloads:
                return payloads
        data = self._buffer + chunk
        if b"\r" in data:
            held = data.endswith(b"\r")  # may be half of a CRLF
            data = data[: -1 if held else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            data += b"\r" if held else b""
        *blocks, self._buffer = data.split(b"\n\n")
        if len(self._buffer) > MAX_EVENT_BYTES:
            raise ValueError(f"an event has more than {MAX_EVENT_BYTES} bytes")
        return [payload for block in blocks if (payload := _data(block))]

    def close(self) -> list[bytes]:
        """The last event of a stream that ended without its blank line, or the JSON body."""
        if self._lines is not None:
            return self._lines.close()
        block, self._buffer = self._buffer, b""
        if self.whole:
            events = json_objects(bytes(self._body))
            self.whole = len(events) == 1
            return events
        payload = _data(block.strip(b"\r\n"))
        return [payload] if payload else []

    def _json(self, chunk: bytes) -> list[bytes]:
        """Collect a body that begins as JSON does; returns events only once it proves to be newline-delimited."""
        self._body += chunk
        if len(self._body) > MAX_BODY_BYTES:
            raise ValueError(f"a response of more than {MAX_BODY_BYTES} bytes")
        lines = False if self._one_document else one_per_line(self._body, self._searched)
        if lines is None:
            line_end = self._body.find(b"\n", self._searched)
            self._searched = len(self._body) if line_end < 0 else line_end
        self._one_document = lines is False
        if not lines:
            return []
        self.whole, self._lines = False, LineParser()
        body, self._body = bytes(self._body), bytearray()
        return self._lines.feed(body)

    def _begin(self, chunk: bytes) -> bytes:
        """The body so far, once its first character has come; b"" until then."""
        body = self._buffer + chunk
        if BOM.startswith(body):
            self._buffer = body
            return b""
        body = body.removeprefix(BOM).lstrip()
        self._began, self.whole, self._buffer = bool(body), body[:1] in (b"{", b"["), b""
        return body


def _data(block: bytes) -> bytes:
    lines = [
        line[6:] if line[5:6] == b" " else line[5:]
        for line in block.split(b"\n")
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines)
