"""A spine behind a response cache, whose clock a test sets."""

from typing import Literal

from spine import FREE, Spine

from perpend.accounting.prices import Price
from perpend.backends.contract import Backend
from perpend.config.schema import Config
from perpend.serving.cache.entries import MemoryEntries
from perpend.serving.cache.key import config_key
from perpend.serving.cache.response_cache import ResponseCache
from perpend.solve import Gate, Origin, Sink, solve
from perpend.types import Answer, Request

MIB = 2**20


class CachedSpine(Spine):
    """`now` is the seconds that answers age by."""

    def __init__(
        self,
        backend: Backend,
        *,
        use: Literal["asked", "always"] = "asked",
        ttl_s: float = 60,
        config: Config | None = None,
        family: str = "smollm2",
        price: Price = FREE,
        others: dict[str, Backend] | None = None,
    ) -> None:
        super().__init__(backend, family=family, price=price, others=others)
        self.now = 0.0
        entries = MemoryEntries(MIB, ttl_s, lambda: self.now)
        self.cache = ResponseCache(entries, use, config_key(config or Config()))

    async def ask_as(
        self, key_id: str | None, request: Request, sink: Sink | None = None, gate: Gate | None = None
    ) -> Answer:
        origin = Origin("test", key_id)
        return await solve(request, self.services, sink, cache=self.cache, gate=gate, origin=origin)

    @property
    def hits(self) -> int:
        return self.cache.counts.hits
