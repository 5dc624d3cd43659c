"""Embeddings through the house: asked of a model's places in turn, accounted in the ledger, and passed on."""

import datetime
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from perpend.accounting.prices import Price
from perpend.errors import PerpendError, UpstreamError
from perpend.solve.control import Clock
from perpend.solve.prepare import Recorder
from perpend.solve.run import Origin
from perpend.storage.rows import LedgerRow, Status
from perpend.types import EmbeddingRequest, EmbeddingResult, Usage, new_id


@dataclass(frozen=True, slots=True)
class EmbeddingDeployment:
    """Where a model makes embeddings."""

    provider: str
    price: Price
    embed: Callable[[EmbeddingRequest], Awaitable[EmbeddingResult]]


async def embed(
    asked: EmbeddingRequest,
    model: str,
    places: Sequence[EmbeddingDeployment],
    recorder: Recorder,
    origin: Origin,
) -> EmbeddingResult:
    """The row is durable before this returns. Raises BadRequest, EngineError and UpstreamError: of the last place, if
    all fail."""
    recorder.check()
    row = _Row(model, origin)
    try:
        place, made = await _made(asked, places)
    except PerpendError as error:
        await recorder.write(row.ended("failed", places[0].provider, error_code=error.code))
        raise
    made = replace(made, request_id=row.id, cost_usd=place.price.cost(made.usage))
    await recorder.write(row.ended("finished", place.provider, made=made))
    return made


async def _made(
    asked: EmbeddingRequest, places: Sequence[EmbeddingDeployment]
) -> tuple[EmbeddingDeployment, EmbeddingResult]:
    for left, place in zip(reversed(range(len(places))), places, strict=True):
        try:
            return place, await place.embed(asked)
        except UpstreamError as error:
            if not left or not error.retry_elsewhere:
                raise
    raise AssertionError("a model has at least one place")


class _Row:
    """A request's ledger row, from its beginning on."""

    def __init__(self, model: str, origin: Origin) -> None:
        self.id = new_id("req")
        self._model = model
        self._origin = origin
        self._clock = Clock(None)
        self._began = datetime.datetime.now(datetime.UTC)

    def ended(
        self,
        status: Status,
        provider: str,
        *,
        made: EmbeddingResult | None = None,
        error_code: str | None = None,
    ) -> LedgerRow:
        usage = Usage() if made is None else made.usage
        return LedgerRow(
            id=self.id,
            key_id=self._origin.key_id,
            source=self._origin.source,
            model=self._model,
            model_version=None if made is None else made.model_version,
            provider=provider,
            created_at=self._began,
            finished_at=datetime.datetime.now(datetime.UTC),
            status=status,
            effort="none",
            strategy="single",
            input=usage.input,
            cached=usage.cached,
            thinking=0,
            answer=0,
            cost_usd=Decimal(0) if made is None else made.cost_usd,
            error_code=error_code,
            elapsed_ms=int(self._clock.elapsed_s * 1000),
        )
