"""A file of weights while it's being put together: what is here, its checksum, and whose bytes they are."""

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
    """The small file beside a partial one."""

    source: str
    parts: int = 0
    """Whole parts joined so far, for a source that comes in parts."""
    bytes: int = 0
    """What those parts came to."""
    checksum: str = ""
    """Of the file that they are of, where it is the hub that says so: it may have another one by now."""


class Partial:
    """`<file>.partial` and `<file>.partial.json`: what a killed pull leaves and the next one goes on from.

    Bytes of another source stay until the new one brings its first.
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
        """Label of the source that the bytes here came from."""
        return self._record.source or None

    @property
    def parts(self) -> int:
        return self._record.parts

    def on_disk(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, source: Source) -> None:
        """Go on with `source`'s own bytes, or be ready to start anew with it."""
        self.close()
        same_source = self.source == source.label and self._record.checksum == self._stated()
        if not (same_source and self._reopen(self._record.bytes if source.in_parts else None)):
            self.restart(source)

    def restart(self, source: Source) -> None:
        """Every byte here is dropped when the first from `source` comes."""
        self.close()
        self._record = _Record(source.label, checksum=self._stated())
        self._sha, self.size = _digest(self.weights), 0

    def append(self, block: bytes) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
            self._write_record()
        self._file.write(block)
        self._sha.update(block)
        self.size += len(block)

    def part_done(self) -> None:
        """One more whole part is in: a later pull goes on behind it."""
        self._sync()
        self._record.parts += 1
        self._record.bytes = self.size
        self._write_record()

    def finish(self) -> Path:
        """Check size and checksum, and put the file in its place. Raises WeightsError, leaving nothing."""
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
        """Behind the first `whole` bytes, or behind all; False where fewer are left."""
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
    """Of the kind that the row's checksum is."""
    if len(weights.sha256) == _GIT_DIGITS:
        return hashlib.sha1(b"blob %d\0" % weights.size, usedforsecurity=False)
    return hashlib.sha256()


def _sync_folder(folder: Path) -> None:
    """So that the new name outlives a power cut too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
