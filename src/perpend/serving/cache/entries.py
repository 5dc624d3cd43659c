"""Where answers are kept, as bytes under keys: what a store has to offer, and the one in memory."""

import time
from collections.abc import Callable
from typing import Protocol

OVERHEAD = 512
"""Bytes that an entry takes beside its value: its key, and its places in the tables."""


class Entries(Protocol):
    """Keys are hashes of the tenant and the request: who has the key may have the value.

    One that several processes share may fail: then it finds nothing and keeps nothing, and raises nothing.
    """

    @property
    def count(self) -> int: ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    async def get(self, key: bytes) -> bytes | None: ...

    async def put(self, key: bytes, value: bytes) -> None: ...


class MemoryEntries:
    """Of this process. What was used least lately makes room."""

    def __init__(self, max_bytes: int, ttl_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.size = 0
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._now = monotonic
        self._values: dict[bytes, bytes] = {}  # the least lately used first
        self._ends: dict[bytes, float] = {}  # the oldest first

    @property
    def count(self) -> int:
        return len(self._values)

    async def get(self, key: bytes) -> bytes | None:
        self._expire()
        found = self._values.pop(key, None)
        if found is None:
            return None
        self._values[key] = found
        return found

    async def put(self, key: bytes, value: bytes) -> None:
        """One that is larger than all the room there is isn't kept."""
        self._expire()
        self._drop(key)
        needed = len(value) + OVERHEAD
        if needed > self._max_bytes:
            return
        while self.size + needed > self._max_bytes:
            self._drop(next(iter(self._values)))
        self._values[key] = value
        self._ends[key] = self._now() + self._ttl_s
        self.size += needed

    def _expire(self) -> None:
        now = self._now()
        while self._ends and self._ends[oldest := next(iter(self._ends))] <= now:
            self._drop(oldest)

    def _drop(self, key: bytes) -> None:
        if (found := self._values.pop(key, None)) is not None:
            self.size -= len(found) + OVERHEAD
            del self._ends[key]
