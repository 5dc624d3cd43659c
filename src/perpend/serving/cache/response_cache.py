"""The response cache: an answer that was made for a request is given to the same tenant's next one that asks the same.

A request leads, or waits for the one that does (`flights`). Who leads looks among the answers that are kept
(`entries`), and else makes one, for itself and for all that wait.
"""

import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import msgspec

from perpend.config.schema import Config
from perpend.serving.cache.entries import Entries, MemoryEntries
from perpend.serving.cache.flights import FlightRole, Flights
from perpend.serving.cache.key import config_key, request_key
from perpend.serving.cache.policy import looked_up, may_be_kept
from perpend.solve import KeptAnswer, Prepared, keepable
from perpend.types import Answer

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(KeptAnswer)


def response_cache(config: Config) -> "ResponseCache | None":
    """As the config says; None: there is none."""
    cache = config.cache
    if cache.use == "never":
        return None
    entries = MemoryEntries(cache.max_mib * 2**20, cache.ttl_s)
    return ResponseCache(entries, cache.use, config_key(config))


@dataclass(slots=True)
class CacheCounts:
    """Since the process began."""

    hits: int = 0
    misses: int = 0
    waited: int = 0
    """Hits of those that the answer was made for while they waited."""
    saved_tokens: int = 0
    saved_usd: Decimal = field(default=Decimal(0))
    """Where it is known."""


class ResponseCache:
    def __init__(self, entries: Entries, use: Literal["asked", "always"], config: bytes) -> None:
        """`config` is the config's key: see `key.config_key`."""
        self.entries = entries
        self.flights = Flights()
        self.counts = CacheCounts()
        self._use: Literal["asked", "always"] = use
        self._config = config

    def lookup(self, prepared: Prepared, key_id: str | None) -> "ResponseLookup | None":
        """None: this request's answer is neither looked up nor kept."""
        if not looked_up(prepared.request, self._use):
            return None
        return ResponseLookup(self, prepared, request_key(prepared, key_id, self._config))


class ResponseLookup:
    """Of one request."""

    __slots__ = ("_cache", "_key", "_leads", "_prepared")

    def __init__(self, cache: ResponseCache, prepared: Prepared, key: bytes) -> None:
        self._cache = cache
        self._prepared = prepared
        self._key = key
        self._leads = False

    async def find(self) -> KeptAnswer | None:
        """Waits for who makes the same answer, for at most half of this request's own time: then it makes its own."""
        cache = self._cache
        told = await cache.flights.join(self._key, self._prepared.clock.halfway)
        if isinstance(told, bytes):
            cache.counts.waited += 1
            return self._hit(told)
        if told is FlightRole.LEADS:
            self._leads = True
            try:
                found = await cache.entries.get(self._key)
            except BaseException:
                self.leave(failed=False)
                raise
            if found is not None:
                self._land(found)
                return self._hit(found)
        cache.counts.misses += 1
        return None

    async def keep(self, answer: Answer, *, as_prepared: bool) -> None:
        if not self._leads:
            return
        value = None
        try:
            if as_prepared and may_be_kept(answer, self._prepared):
                value = _encode(KeptAnswer(keepable(answer, self._prepared), time.time()))
                await self._cache.entries.put(self._key, value)
        finally:
            self._land(value)

    def leave(self, *, failed: bool) -> None:
        if self._leads:
            self._leads = False
            self._cache.flights.pass_on(self._key, failed=failed)

    def _land(self, value: bytes | None) -> None:
        self._leads = False
        self._cache.flights.land(self._key, value)

    def _hit(self, value: bytes) -> KeptAnswer:
        kept, counts = _decoder.decode(value), self._cache.counts
        counts.hits += 1
        counts.saved_tokens += kept.answer.usage.total
        counts.saved_usd += kept.answer.cost_usd or 0
        return kept
