"""Counters that all processes of a machine share: who used how much of a limit, and what is held for calls under way.

A file in memory (mmap) of fixed slots, each of 64-bit integers. Every change is made under one lock of the file, which
the system releases when its holder dies. What is held is kept by process, so that what a dead one held can be given
back. The file outlives its processes; its content is what the page cache keeps, which a power cut may lose.

    with CounterTable.open(folder) as table:
        counter = table.counter("key key_1 usd 2026-11", expires_ms=...)
        claim = CounterClaim(counter, limit=100, amount=7)
        if table.take([claim]) is None:
            ...
            table.settle([claim], [5])
"""

import fcntl
import mmap
import os
import struct
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from perpend.errors import StorageError
from perpend.private_files import private_file, private_folder

MOST_PROCESSES = 32
_SLOTS = 1 << 16
# A slot: two halves of its name's hash, when it expires (Unix ms, 0: never), what was used, when a rate was
# last drained (Unix µs), and what each process holds.
_EXPIRES, _USED, _DRAINED, _HELD = 2, 3, 4, 5
_WIDTH = _HELD + MOST_PROCESSES
_HEADER = MOST_PROCESSES
"""Numbers before the first slot: how many holds each process has."""
_SIZE = (_HEADER + _SLOTS * _WIDTH) * 8
FILE = f"counters-{_SIZE}"
"""Another shape is another file: what was used is in the ledger, too."""
_PROBES = 64
"""Slots that are looked at for one name."""
MINUTE_US = 60_000_000


class Counter(NamedTuple):
    """A slot by its name; cheap to keep, and found again when the slot was given to another."""

    name: str
    first: int
    second: int
    at: int
    """The index of its first number."""


class CounterClaim(NamedTuple):
    """An amount wanted of a counter, under a limit."""

    counter: Counter
    limit: int
    amount: int
    per_minute: bool = False
    """The limit drains what was used, so much in a minute; else what was used stays until it is given back."""


class Refusal(NamedTuple):
    claim: CounterClaim
    at: int
    """The index of the claim that didn't fit."""
    left: int
    """What would have fitted."""
    held: int
    """What is held for calls under way, and may come back."""
    wait_s: float | None
    """Seconds until it fits; None: nobody knows."""


class CounterTable:
    """One process's hold on the file."""

    def __init__(self, descriptor: int, folder: Path, clock: Callable[[], float] = time.time) -> None:
        """Use `open`. `clock` gives Unix seconds."""
        self._descriptor = descriptor
        self._folder = folder
        self._clock = clock
        self._map = mmap.mmap(descriptor, _SIZE)
        self._cells = memoryview(self._map).cast("q")
        self._process, self._alive = _free_process(folder)
        with self._locked():
            self._give_back(self._process)

    @classmethod
    def open(cls, folder: Path, clock: Callable[[], float] = time.time) -> Self:
        """The table in a folder, made where there is none. Raises StorageError."""
        path = folder / FILE
        try:
            private_folder(folder)
            private_file(path)
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            os.ftruncate(descriptor, _SIZE)  # a sparse file: what nobody uses takes no room
            return cls(descriptor, folder, clock)
        except OSError as error:
            raise StorageError(f"the counters in {path} can't be opened: {error.strerror}") from error

    def counter(self, name: str, *, expires_ms: int = 0) -> Counter:
        """The counter of this name, made where there is none. Raises StorageError when the table is full."""
        first, second = struct.unpack("<qq", blake2b(name.encode(), digest_size=16).digest())
        with self._locked():
            at = self._slot(first, second)
            if self._cells[at + _EXPIRES] != expires_ms:
                self._cells[at + _EXPIRES] = expires_ms
        return Counter(name, first, second, at)

    def take(self, claims: Sequence[CounterClaim]) -> Refusal | None:
        """Hold all of it, or nothing and say which claim didn't fit.

        A claim larger than its rate's whole limit is taken as the limit: it would never fit.
        """
        with self._locked():
            for index, claim in enumerate(claims):
                if (refusal := self._refusal(index, claim)) is not None:
                    return refusal
            for claim in claims:
                at = self._found(claim.counter)
                if claim.per_minute:
                    self._cells[at + _USED] += min(claim.amount, claim.limit)
                else:
                    self._cells[at + _HELD + self._process] += claim.amount
                    self._cells[self._process] += 1
        return None

    def settle(self, claims: Sequence[CounterClaim], used: Sequence[int]) -> list[int]:
        """What was held ends; what was really used of each stays, even where it is more. All that was used by now."""
        after: list[int] = []
        with self._locked():
            for claim, amount in zip(claims, used, strict=True):
                at = self._found(claim.counter)
                if claim.per_minute:
                    self._drain(at, claim.limit)
                    taken = min(claim.amount, claim.limit)
                    self._cells[at + _USED] = max(0, self._cells[at + _USED] + amount - taken)
                else:
                    self._cells[at + _HELD + self._process] -= claim.amount
                    self._cells[self._process] -= 1
                    self._cells[at + _USED] += amount
                after.append(self._cells[at + _USED])
        return after

    def used(self, claim: CounterClaim) -> int:
        """What was used of it as of now, without what is held."""
        with self._locked():
            at = self._found(claim.counter)
            if claim.per_minute:
                self._drain(at, claim.limit)
            return self._cells[at + _USED]

    def left(self, claim: CounterClaim) -> int:
        """What one could still take of it, never below zero."""
        with self._locked():
            at = self._found(claim.counter)
            return max(0, claim.limit - self._committed(at, claim))

    def raise_to(self, counter: Counter, used: int) -> None:
        """At least so much was used, as the ledger says."""
        with self._locked():
            at = self._found(counter) + _USED
            self._cells[at] = max(self._cells[at], used)

    def close(self) -> None:
        """Let go of the file; what this process held is given back."""
        with self._locked():
            self._give_back(self._process)
        self._cells.release()
        self._map.close()
        os.close(self._descriptor)
        os.close(self._alive)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _locked(self) -> "_Lock":
        return _Lock(self._descriptor)

    def _refusal(self, index: int, claim: CounterClaim) -> Refusal | None:
        at = self._found(claim.counter)
        amount = min(claim.amount, claim.limit) if claim.per_minute else claim.amount
        over = self._committed(at, claim) + amount - claim.limit
        if over <= 0:
            return None
        if not claim.per_minute and self._give_back_the_dead(at):
            over = self._committed(at, claim) + amount - claim.limit
            if over <= 0:
                return None
        wait_s = 60 * over / claim.limit if claim.per_minute and claim.limit else None
        return Refusal(claim, index, max(0, amount - over), self._held(at), wait_s)

    def _committed(self, at: int, claim: CounterClaim) -> int:
        if claim.per_minute:
            self._drain(at, claim.limit)
            return self._cells[at + _USED]
        return self._cells[at + _USED] + self._held(at)

    def _held(self, at: int) -> int:
        return sum(self._cells[at + _HELD : at + _WIDTH])

    def _drain(self, at: int, limit: int) -> None:
        """What a rate has let go of since it was last looked at."""
        cells, now = self._cells, int(self._clock() * 1e6)
        since = now - cells[at + _DRAINED]
        gone = since * limit // MINUTE_US
        if since < 0:  # the clock was set back
            cells[at + _DRAINED] = now
        elif gone >= cells[at + _USED]:
            cells[at + _USED], cells[at + _DRAINED] = 0, now
        elif gone:
            cells[at + _USED] -= gone
            cells[at + _DRAINED] += -(-gone * MINUTE_US // limit)  # the rest of a token isn't lost

    def _found(self, counter: Counter) -> int:
        """Where it is: a slot that expired may have been given to another counter meanwhile."""
        cells, at = self._cells, counter.at
        if cells[at] == counter.first and cells[at + 1] == counter.second:
            return at
        return self._slot(counter.first, counter.second)

    def _slot(self, first: int, second: int) -> int:
        """Its slot, else a free or expired one that becomes its. Raises StorageError where there is none."""
        cells, now = self._cells, int(self._clock() * 1000)
        free = None
        for probe in range(_PROBES):
            at = _HEADER + (first + probe) % _SLOTS * _WIDTH
            if cells[at] == first and cells[at + 1] == second:
                return at
            empty = not cells[at] and not cells[at + 1]
            expired = 0 < cells[at + _EXPIRES] < now and not self._held(at)
            if free is None and (empty or expired):
                free = at
            if empty:
                break
        if free is None:
            raise StorageError(
                f"the counters in {self._folder} are full", hint="limit fewer keys, users and teams"
            )
        for cell in range(free, free + _WIDTH):
            cells[cell] = 0
        cells[free], cells[free + 1] = first, second
        return free

    def _give_back(self, process: int) -> None:
        if not self._cells[process]:
            return
        for at in range(_HEADER + _HELD + process, _HEADER + _SLOTS * _WIDTH, _WIDTH):
            if self._cells[at]:
                self._cells[at] = 0
        self._cells[process] = 0

    def _give_back_the_dead(self, at: int) -> bool:
        """Whether something was held there by a process that is gone."""
        found = False
        for process in range(MOST_PROCESSES):
            if process != self._process and self._cells[at + _HELD + process] and self._is_dead(process):
                self._cells[at + _HELD + process] = 0
                found = True
        return found

    def _is_dead(self, process: int) -> bool:
        descriptor = _try_process(self._folder, process)
        if descriptor is None:
            return False
        os.close(descriptor)
        return True


class _Lock:
    """Of the whole file, between processes; within one, nothing awaits while it is held."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def _free_process(folder: Path) -> tuple[int, int]:
    """A number that no living process has, and the descriptor that says so as long as it is open."""
    for process in range(MOST_PROCESSES):
        descriptor = _try_process(folder, process)
        if descriptor is not None:
            return process, descriptor
    raise StorageError(
        f"{MOST_PROCESSES} processes share the counters in {folder} already",
        hint="start fewer workers, or give this gateway a PERPEND_HOME of its own",
    )


def _try_process(folder: Path, process: int) -> int | None:
    """A lock on the process's number; None: a living process has it."""
    path = folder / f"process-{process}"
    private_file(path)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
