"""Stores of cached answers, as bytes by key: the protocol, and a store in memory."""

import time
from collections.abc import Callable
from typing import Protocol

OVERHEAD = 512
"""Bytes that an entry takes in addition to its value: its key and the entries of both tables."""


class Entries(Protocol):
    """A store of answers. A key is a hash of tenant and request, so the key authorizes access to the value.

    A store shared by several processes may fail; then `get` returns None, `put` does nothing, and neither raises.
    """

    @property
    def count(self) -> int: ...

    @property
    def size(self) -> int:
        """The size of all entries in bytes, `OVERHEAD` included."""
        ...

    async def get(self, key: bytes) -> bytes | None: ...

    async def put(self, key: bytes, value: bytes) -> None: ...


class MemoryEntries:
    """A store in this process's memory, which evicts the least recently used entries."""

    def __init__(self, max_bytes: int, ttl_s: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`max_bytes`: the most that all entries take. `ttl_s`: seconds until an entry expires."""
        self.size = 0
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._now = monotonic
        self._values: dict[bytes, bytes] = {}  # the least recently used first
        self._ends: dict[bytes, float] = {}  # the oldest first

    @property
    def count(self) -> int:
        return len(self._values)

    async def get(self, key: bytes) -> bytes | None:
        """Returns the value and marks it as used; None where there is none."""
        self._expire()
        found = self._values.pop(key, None)
        if found is None:
            return None
        self._values[key] = found
        return found

    async def put(self, key: bytes, value: bytes) -> None:
        """Stores a value, unless it is larger than the whole store."""
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
