"""Newline-delimited JSON from bytes that come in any pieces."""

from perpend.backends.sse import MOST_BYTES


class LineParser:
    """Feed it reads, get the lines that they complete. Raises ValueError for one without an end."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MOST_BYTES:
            raise ValueError(f"a line has more than {MOST_BYTES} bytes")
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """A last line without its newline."""
        line, self._rest = self._rest.strip(), b""
        return [line] if line else []
