"""A partly fetched file of weights: its bytes, their checksum and their source."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from perpend.engine.catalogue import Source, Weights
from perpend.errors import WeightsError

_BLOCK = 1 << 20
_GIT_DIGITS = 40


class _Record(Struct):
    """The JSON file beside a partial file."""

    source: str
    parts: int = 0
    """Complete parts so far, for a source in parts."""
    bytes: int = 0
    """Bytes of the complete parts."""
    checksum: str = ""
    """The file's checksum if the hub stated it; empty if the catalogue did. The hub's file may change between pulls."""


class Partial:
    """`<file>.partial` and `<file>.partial.json`, from which the next pull continues after an interruption.

    Bytes from one source stay until the first bytes from another arrive.
    Methods raise OSError where the disk fails.
    """

    def __init__(self, weights: Weights, target: Path) -> None:
        self.weights = weights
        self.target = target
        self.path = target.with_name(target.name + ".partial")
        self.size = 0
        self._record_path = target.with_name(target.name + ".partial.json")
        self._record = self._read_record()
        self._sha = _digest(weights)
        self._file: BinaryIO | None = None

    @property
    def source(self) -> str | None:
        """Label of the source of the bytes; None where there are none."""
        return self._record.source or None

    @property
    def parts(self) -> int:
        """Complete parts so far."""
        return self._record.parts

    def on_disk(self) -> int:
        """The size of the partial file in bytes; 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, source: Source) -> None:
        """Continues after the bytes from `source`, or prepares to start again."""
        self.close()
        same_source = self.source == source.label and self._record.checksum == self._stated()
        if not (same_source and self._reopen(self._record.bytes if source.in_parts else None)):
            self.restart(source)

    def restart(self, source: Source) -> None:
        """Starts again; the first bytes from `source` replace the present ones."""
        self.close()
        self._record = _Record(source.label, checksum=self._stated())
        self._sha, self.size = _digest(self.weights), 0

    def append(self, block: bytes) -> None:
        """Appends bytes to the file and to its checksum."""
        if self._file is None:
            self._file = self.path.open("wb")
            self._write_record()
        self._file.write(block)
        self._sha.update(block)
        self.size += len(block)

    def part_done(self) -> None:
        """Records a complete part, after which a later pull continues."""
        self._sync()
        self._record.parts += 1
        self._record.bytes = self.size
        self._write_record()

    def finish(self) -> Path:
        """Checks size and checksum, and moves the file to its target.

        Raises WeightsError if one doesn't match; the partial file is removed then.
        """
        self._sync()
        self.close()
        digest = self._sha.hexdigest()
        if self.size != self.weights.size or digest != self.weights.sha256:
            self.remove()
            raise WeightsError(
                f"what came from {self.source} is not {self.weights.name}: {self._sha.name} {digest}, "
                f"{self.size} bytes; expected {self._sha.name} {self.weights.sha256}, {self.weights.size} bytes",
                hint="the partial file is removed. Pull again; if it happens again, the source has another "
                "file or something on the way changes it",
            )
        os.replace(self.path, self.target)
        self._record_path.unlink(missing_ok=True)
        _sync_folder(self.target.parent)
        return self.target

    def remove(self) -> None:
        """Removes the partial file and its record."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._record_path.unlink(missing_ok=True)
        self._record = _Record("")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _stated(self) -> str:
        return self.weights.sha256 if self.weights.rounded else ""

    def _reopen(self, whole: int | None) -> bool:
        """Opens the file after its first `whole` bytes, or after all; returns False if it has fewer."""
        if not self.path.exists() or self.on_disk() < (whole or 0):
            return False
        self._file = self.path.open("ab")
        self._file.truncate(whole)
        self._sha = _digest(self.weights)
        self.size = 0
        with self.path.open("rb") as existing:
            while block := existing.read(_BLOCK):
                self._sha.update(block)
                self.size += len(block)
        return True

    def _sync(self) -> None:
        assert self._file is not None, "something was appended"
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read_record(self) -> _Record:
        try:
            return msgspec.json.decode(self._record_path.read_bytes(), type=_Record)
        except (OSError, ValueError):
            return _Record("")

    def _write_record(self) -> None:
        new_record = self._record_path.with_suffix(".new")
        new_record.write_bytes(msgspec.json.encode(self._record))
        os.replace(new_record, self._record_path)


def _digest(weights: Weights) -> "hashlib._Hash":  # pyright: ignore[reportPrivateUsage] -- typeshed's name for it
    """Returns a new digest of the same kind as the row's checksum."""
    if len(weights.sha256) == _GIT_DIGITS:
        return hashlib.sha1(b"blob %d\0" % weights.size, usedforsecurity=False)
    return hashlib.sha256()


def _sync_folder(folder: Path) -> None:
    """Syncs the folder, so that the new name survives a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
