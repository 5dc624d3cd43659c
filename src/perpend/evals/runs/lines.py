"""Files that grow by a line of JSON for each thing that is done: it's there when `add` returns, so a killed process
loses only what was still under way. A line that was cut in the middle is dropped.
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
        """Cut off a line that was written in part. Raises StorageError."""
        self.path = path
        try:
            self._file = path.open("a+b", buffering=0)
            self._file.truncate(_whole(self._file.fileno()))
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", hint="name another folder") from error

    def add(self, row: T) -> None:
        """The row is on the disk when this returns. Raises StorageError."""
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
    """Keeps the rows in memory too."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        super().__init__(path)
        self.rows = read_lines(path, kind)

    def add(self, row: T) -> None:
        super().add(row)
        self.rows.append(row)


def read_lines(path: Path, kind: type[T]) -> list[T]:
    """Whole lines only: somebody may be writing the next one. No file has none."""
    data = path.read_bytes() if path.exists() else b""
    decode = msgspec.json.Decoder(kind).decode
    return [decode(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def _whole(file: int) -> int:
    """Where the last whole line ends."""
    at = os.fstat(file).st_size
    while at:
        start = max(0, at - _BLOCK)
        if (found := os.pread(file, at - start, start).rfind(b"\n")) >= 0:
            return start + found + 1
        at = start
    return 0
