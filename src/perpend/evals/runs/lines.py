"""Append-only files of JSON lines. A row is written when `add` returns, so a killed process loses only unfinished work.
A line that was cut in the middle is dropped.
"""

import os
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from perpend.errors import StorageError

T = TypeVar("T")
LINE = msgspec.json.Encoder(decimal_format="number")
_BLOCK = 1 << 16


class LineWriter(Generic[T]):
    """Appends a line for each row."""

    def __init__(self, path: Path) -> None:
        """Open the file and cut off a partial last line. Raises StorageError."""
        self.path = path
        try:
            self._file = path.open("a+b", buffering=0)
            self._file.truncate(_whole_lines_end(self._file.fileno()))
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", hint="name another folder") from error

    def add(self, row: T) -> None:
        """Append a row. Raises StorageError."""
        try:
            self._file.write(LINE.encode(row) + b"\n")
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}", hint="free some space and go on") from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LineFile(LineWriter[T]):
    """A LineWriter that keeps its rows in memory."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        super().__init__(path)
        self.rows = read_lines(path, kind)

    def add(self, row: T) -> None:
        super().add(row)
        self.rows.append(row)


def read_lines(path: Path, kind: type[T]) -> list[T]:
    """The rows of whole lines: another process may be writing the next one. A missing file has no rows.

    Raises ValueError for a malformed line.
    """
    data = path.read_bytes() if path.exists() else b""
    decode = msgspec.json.Decoder(kind).decode
    return [decode(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def _whole_lines_end(file: int) -> int:
    """The offset in bytes at which the last whole line ends."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _BLOCK)
        if (found := os.pread(file, end - start, start).rfind(b"\n")) >= 0:
            return start + found + 1
        end = start
    return 0
