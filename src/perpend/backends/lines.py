"""Newline-delimited JSON from bytes that come in any pieces."""

from perpend.backends.sse import BOM, MOST_BYTES


class LineParser:
    """Feed it reads, get the lines that they complete. Raises ValueError for one without an end.

    A first line that only opens an object begins one body in the place of a stream: it is given whole.
    """

    def __init__(self) -> None:
        self.whole = False
        self._rest = b""
        self._begun = False

    def feed(self, chunk: bytes) -> list[bytes]:
        data = self._rest + chunk
        if self.whole:
            self._rest = data
            return []
        *lines, self._rest = data.split(b"\n")
        if lines and not self._begun:
            self._begun = True
            lines[0] = lines[0].removeprefix(BOM)
            if lines[0].strip() == b"{":
                self.whole, self._rest = True, data.removeprefix(BOM)
                return []
        if len(self._rest) > MOST_BYTES:
            raise ValueError(f"a line has more than {MOST_BYTES} bytes")
        return [line for line in lines if line.strip()]

    def close(self) -> list[bytes]:
        """A last line without its newline."""
        line, self._rest = self._rest.removeprefix(BOM).strip(), b""
        return [line] if line else []
