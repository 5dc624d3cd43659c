"""An engine's log: a file of bounded size and the one before it, so that crashes of a whole night fill no disk."""

import contextlib
import os
from asyncio import StreamReader
from collections import deque
from pathlib import Path

from perpend.private_files import private_file, private_folder

_MOST = 1 << 20
"""Bytes of the file, after which it is put aside and begun anew."""
_TAIL = 12
_LINE = 1000
"""Bytes of a line in the tail."""


class EngineLog:
    """Goes on over restarts. A disk that is full or gone costs its lines, and never stops the engine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last = deque[bytes](maxlen=_TAIL)
        self._begun = b""

    @property
    def tail(self) -> list[str]:
        """The last lines of the engine that ran last."""
        lines = [*self._last, self._begun] if self._begun else list(self._last)
        return [line[-_LINE:].decode(errors="replace") for line in lines[-_TAIL:]]

    async def keep(self, output: StreamReader) -> None:
        """Write down all that comes, until its end."""
        self._last.clear()
        self._begun = b""
        while piece := await output.read(1 << 16):
            *lines, self._begun = (self._begun + piece).split(b"\n")
            self._last += lines
            self._begun = self._begun[-_LINE:]
            with contextlib.suppress(OSError):
                self._write(piece)

    def _write(self, piece: bytes) -> None:
        private_folder(self.path.parent)
        private_file(self.path)
        if self.path.stat().st_size + len(piece) > _MOST:
            os.replace(self.path, self.path.with_name(f"{self.path.name}.1"))
            private_file(self.path)
        with self.path.open("ab") as file:
            file.write(piece)
