"""Server-sent events from bytes that come in any pieces (HTML Living Standard, section 9.2)."""

from perpend.transport.ndjson import BOM, MOST_BODY, MOST_BYTES, LineParser, objects, on_lines


class SSEParser:
    """Feed it reads, get the `data` of each event that they complete. Raises ValueError for one without an end.

    A body that begins as JSON does is no stream of these, whatever was asked for: it is given whole, or the events in
    it; from where a second object begins on a line of its own, line by line as they come.
    """

    def __init__(self) -> None:
        self.whole = False
        self._rest = b""
        self._begun = False
        self._body = bytearray()
        self._one = False  # the body goes on over its lines
        self._looked = 0  # so far, no second line begins in the body
        self._lines: LineParser | None = None

    def feed(self, chunk: bytes) -> list[bytes]:
        if self._lines is not None:
            return self._lines.feed(chunk)
        if not self._begun and not (chunk := self._begin(chunk)):
            return []
        if self.whole:
            return self._json(chunk)
        if not self._rest and chunk.startswith(b"data: ") and chunk.endswith(b"\n\n"):
            # Nearly always whole events of a line each: no work for each of them.
            payloads = chunk[6:-2].split(b"\n\ndata: ")
            if chunk.count(b"\n") == 2 * len(payloads) and b"\r" not in chunk and b"" not in payloads:
                return payloads
        data = self._rest + chunk
        if b"\r" in data:
            held = data.endswith(b"\r")  # may be half of a CRLF
            data = data[: -1 if held else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            data += b"\r" if held else b""
        *blocks, self._rest = data.split(b"\n\n")
        if len(self._rest) > MOST_BYTES:
            raise ValueError(f"an event has more than {MOST_BYTES} bytes")
        return [payload for block in blocks if (payload := _data(block))]

    def close(self) -> list[bytes]:
        """The last event of a stream that ended without its blank line."""
        if self._lines is not None:
            return self._lines.close()
        block, self._rest = self._rest, b""
        if self.whole:
            said = objects(bytes(self._body))
            self.whole = len(said) == 1
            return said
        payload = _data(block.strip(b"\r\n"))
        return [payload] if payload else []

    def _json(self, chunk: bytes) -> list[bytes]:
        """What is certain of a body that begins as JSON does: nothing, unless it turns out to be a stream of lines."""
        self._body += chunk
        if len(self._body) > MOST_BODY:
            raise ValueError(f"a response of more than {MOST_BODY} bytes")
        lines = False if self._one else on_lines(self._body, self._looked)
        if lines is None:
            line_end = self._body.find(b"\n", self._looked)
            self._looked = len(self._body) if line_end < 0 else line_end
        self._one = lines is False
        if not lines:
            return []
        self.whole, self._lines = False, LineParser()
        body, self._body = bytes(self._body), bytearray()
        return self._lines.feed(body)

    def _begin(self, chunk: bytes) -> bytes:
        """What is there of the body, once its first letter is."""
        body = self._rest + chunk
        if BOM.startswith(body):
            self._rest = body
            return b""
        body = body.removeprefix(BOM).lstrip()
        self._begun, self.whole, self._rest = bool(body), body[:1] in (b"{", b"["), b""
        return body


def _data(block: bytes) -> bytes:
    lines = [
        line[6:] if line[5:6] == b" " else line[5:]
        for line in block.split(b"\n")
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines)
