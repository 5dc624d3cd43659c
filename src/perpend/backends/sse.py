"""Server-sent events from bytes that come in any pieces (HTML Living Standard, section 9.2)."""

import msgspec
from msgspec import Raw

MOST_BYTES = 1 << 23
"""Bytes of one event. The largest real ones repeat a whole response, or carry a picture."""
MOST_BODY = 1 << 26
"""Bytes of a response that isn't streamed."""


BOM = b"\xef\xbb\xbf"


class SSEParser:
    """Feed it reads, get the `data` of each event that they complete. Raises ValueError for one without an end.

    A body that begins as JSON does is no stream, whatever was asked for: it is given whole, or the events in it.
    """

    def __init__(self) -> None:
        self.whole = False
        self._rest = b""
        self._begun = False
        self._body = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        if not self._begun and not (chunk := self._begin(chunk)):
            return []
        if not self._rest and chunk.startswith(b"data: ") and chunk.endswith(b"\n\n"):
            # Nearly always whole events of a line each: no work for each of them.
            payloads = chunk[6:-2].split(b"\n\ndata: ")
            if chunk.count(b"\n") == 2 * len(payloads) and b"\r" not in chunk and b"" not in payloads:
                return payloads
        if self.whole:
            self._body += chunk
            if len(self._body) > MOST_BODY:
                raise ValueError(f"a response of more than {MOST_BODY} bytes")
            return []
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
        block, self._rest = self._rest, b""
        if self.whole:
            said = objects(bytes(self._body))
            self.whole = len(said) == 1
            return said
        payload = _data(block.strip(b"\r\n"))
        return [payload] if payload else []

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


def objects(body: bytes) -> list[bytes]:
    """Those of a JSON body: it is one, or a list of them, or has one on each line."""
    body = body.strip()
    first, _, rest = body.partition(b"\n")
    if rest.lstrip().startswith(b"{") and first.rstrip().endswith(b"}"):
        return [line for line in body.splitlines() if line.strip()]
    if body.startswith(b"["):
        try:
            return [bytes(one) for one in msgspec.json.decode(body, type=list[Raw])]
        except (ValueError, RecursionError):
            pass
    return [body]
