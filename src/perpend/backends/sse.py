"""Server-sent events from bytes that come in any pieces (HTML Living Standard, section 9.2)."""

MOST_BYTES = 1 << 23
"""Bytes of one event. The largest real ones repeat a whole response, or carry a picture."""


class SSEParser:
    """Feed it reads, get the `data` of each event that they complete. Raises ValueError for one without an end."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        if not self._rest and chunk.startswith(b"data: ") and chunk.endswith(b"\n\n"):
            # Nearly always whole events of a line each: no work for each of them.
            payloads = chunk[6:-2].split(b"\n\ndata: ")
            if chunk.count(b"\n") == 2 * len(payloads) and b"\r" not in chunk:
                return payloads
        data = self._rest + chunk
        if b"\r" in data:
            held = data.endswith(b"\r")  # may be half of a CRLF
            data = data[: -1 if held else None].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            data += b"\r" if held else b""
        *blocks, self._rest = data.split(b"\n\n")
        if len(self._rest) > MOST_BYTES:
            raise ValueError(f"an event has more than {MOST_BYTES} bytes")
        return [payload for block in blocks if (payload := _data(block)) is not None]

    def close(self) -> list[bytes]:
        """The last event of a stream that ended without its blank line."""
        block, self._rest = self._rest, b""
        payload = _data(block.strip(b"\r\n"))
        return [] if payload is None else [payload]


def _data(block: bytes) -> bytes | None:
    lines = [
        line[6:] if line[5:6] == b" " else line[5:]
        for line in block.split(b"\n")
        if line.startswith(b"data:")
    ]
    return b"\n".join(lines) if lines else None
