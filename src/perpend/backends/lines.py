"""Newline-delimited JSON from bytes that come in any pieces."""


class LineParser:
    """Feed it reads, get the lines that they complete."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [line for line in lines if not line.isspace() and line]

    def close(self) -> list[bytes]:
        """A last line without its newline."""
        line, self._rest = self._rest.strip(), b""
        return [line] if line else []
