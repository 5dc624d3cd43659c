"""A file that grows by a line of JSON for each thing that is done: it's there when `add` returns, so a killed process
loses only what was still under way. A line that was cut in the middle is dropped.
"""

import os
from pathlib import Path
from typing import Generic, Self, TypeVar

import msgspec

from perpend.errors import StorageError

T = TypeVar("T")
_LINE = msgspec.json.Encoder(decimal_format="number")


class Lines(Generic[T]):
    def __init__(self, path: Path, kind: type[T]) -> None:
        """Opened to go on with. Raises StorageError."""
        self.path = path
        try:
            if path.exists():
                data = path.read_bytes()
                os.truncate(path, data.rfind(b"\n") + 1)
            self.rows = read_lines(path, kind)
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}", hint="name another folder") from error

    def add(self, row: T) -> None:
        self.rows.append(row)
        try:
            self._file.write(_LINE.encode(row) + b"\n")
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}", hint="free some space and go on") from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_lines(path: Path, kind: type[T]) -> list[T]:
    """Whole lines only: somebody may be writing the next one. None where there is no file."""
    data = path.read_bytes() if path.exists() else b""
    decode = msgspec.json.Decoder(kind).decode
    return [decode(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]
