"""An engine's log: a file of bounded size and the one before it, so that crashes of a whole night fill no disk."""

import contextlib
import os
from asyncio import StreamReader
from collections import deque
from pathlib import Path

from perpend.private_files import private_file, private_folder

_MAX_BYTES = 1 << 20
"""Bytes after which the file is rotated."""
_TAIL_LINES = 12
_MAX_LINE_BYTES = 1000
"""Bytes of a line in the tail."""


class EngineLog:
    """The log of one engine over its restarts. Lines that can't be written are lost; the engine goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines = deque[bytes](maxlen=_TAIL_LINES)
        self._partial_line = b""

    @property
    def tail(self) -> list[str]:
        """The last lines of the engine that ran last."""
        lines = [*self._lines, self._partial_line] if self._partial_line else list(self._lines)
        return [line[-_MAX_LINE_BYTES:].decode(errors="replace") for line in lines[-_TAIL_LINES:]]

    async def record(self, output: StreamReader) -> None:
        """Write all output until its end."""
        self._lines.clear()
        self._partial_line = b""
        while piece := await output.read(1 << 16):
            *lines, self._partial_line = (self._partial_line + piece).split(b"\n")
            self._lines += lines
            self._partial_line = self._partial_line[-_MAX_LINE_BYTES:]
            with contextlib.suppress(OSError):
                self._write(piece)

    def _write(self, piece: bytes) -> None:
        private_folder(self.path.parent)
        private_file(self.path)
        if self.path.stat().st_size + len(piece) > _MAX_BYTES:
            os.replace(self.path, self.path.with_name(f"{self.path.name}.1"))
            private_file(self.path)
        with self.path.open("ab") as file:
            file.write(piece)
