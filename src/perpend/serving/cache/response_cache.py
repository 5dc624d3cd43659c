"""The response cache: returns a stored answer to an identical request of the same tenant.

Of identical requests at the same time one leads and the others wait (`flights`). The leader looks for a stored answer
(`entries`), else runs, and its answer is also the waiting requests' answer.
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
    """Builds the cache from the config; None where the config turns it off."""
    cache = config.cache
    if cache.use == "never":
        return None
    entries = MemoryEntries(cache.max_mib * 2**20, cache.ttl_s)
    return ResponseCache(entries, cache.use, config_key(config))


@dataclass(slots=True)
class CacheCounts:
    """Counts since the process started."""

    hits: int = 0
    misses: int = 0
    waited: int = 0
    """Hits of requests that waited for another's answer."""
    saved_tokens: int = 0
    """Input and output tokens of returned answers."""
    saved_usd: Decimal = field(default=Decimal(0))
    """Their cost in US dollars, where it is known."""


class ResponseCache:
    def __init__(self, entries: Entries, use: Literal["asked", "always"], config: bytes) -> None:
        """`config` is the config's hash: see `key.config_key`."""
        self.entries = entries
        self.flights = Flights()
        self.counts = CacheCounts()
        self._use: Literal["asked", "always"] = use
        self._config = config

    def lookup(self, prepared: Prepared, key_id: str | None) -> "ResponseLookup | None":
        """Returns the request's lookup; None where it doesn't use the cache."""
        if not looked_up(prepared.request, self._use):
            return None
        return ResponseLookup(self, prepared, request_key(prepared, key_id, self._config))


class ResponseLookup:
    """The lookup of one request's answer."""

    __slots__ = ("_cache", "_key", "_leads", "_prepared")

    def __init__(self, cache: ResponseCache, prepared: Prepared, key: bytes) -> None:
        self._cache = cache
        self._prepared = prepared
        self._key = key
        self._leads = False

    async def find(self) -> KeptAnswer | None:
        """Returns the stored answer, or the one of a leader; None: this request has to run.

        Waits for a leader for at most half of this request's own time.
        """
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
        """Ends the flight of a leader, and stores its answer if it may be kept.

        `as_prepared`: the answer was made as prepared, not lowered.
        """
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
        """Hands the lead to a waiting request: this one `failed`, or was cancelled."""
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
