"""Embeddings through the house: asked of a model's places in turn, accounted in the ledger, and passed on."""

import datetime
from collections.abc import Sequence

from msgspec.structs import replace

from perpend.backends.contract import Upstream
from perpend.backends.embeddings import embed as embed_at
from perpend.errors import PerpendError, UpstreamError
from perpend.solve.control import Clock
from perpend.solve.model import ServedModel
from perpend.solve.solve import Origin, Recorder
from perpend.storage.tables import LedgerRow, Status
from perpend.types import Embedded, EmbeddingRequest, Usage, new_id

Place = tuple[Upstream, str]
"""Where a model is, and its name there."""


async def embed(
    asked: EmbeddingRequest, model: ServedModel, places: Sequence[Place], recorder: Recorder, origin: Origin
) -> Embedded:
    """The row is durable before this returns. Raises BadRequest and UpstreamError: of the last place, if all fail."""
    row = _Row(model, origin)
    try:
        provider, made = await _made(asked, places)
    except PerpendError as error:
        await recorder.write(row.ended("failed", model.provider, error_code=error.code))
        raise
    cost = model.price_at(provider).cost(made.usage)
    made = replace(made, request_id=row.id, cost_usd=cost)
    await recorder.write(row.ended("finished", provider, made=made))
    return made


async def _made(asked: EmbeddingRequest, places: Sequence[Place]) -> tuple[str, Embedded]:
    for left, (upstream, name) in zip(reversed(range(len(places))), places, strict=True):
        try:
            return upstream.provider.name, await embed_at(upstream, name, asked)
        except UpstreamError as error:
            if not left or not error.elsewhere:
                raise
    raise AssertionError("a model has at least one place")


class _Row:
    """A request's ledger row, from its beginning on."""

    def __init__(self, model: ServedModel, origin: Origin) -> None:
        self.id = new_id("req")
        self._model = model
        self._origin = origin
        self._clock = Clock(None)
        self._began = datetime.datetime.now(datetime.UTC)

    def ended(
        self, status: Status, provider: str, *, made: Embedded | None = None, error_code: str | None = None
    ) -> LedgerRow:
        usage = Usage() if made is None else made.usage
        return LedgerRow(
            id=self.id,
            key_id=self._origin.key_id,
            source=self._origin.source,
            model=self._model.name,
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
            cost_usd=self._model.price.cost(usage) if made is None else made.cost_usd,
            requested_thinking=0,
            effective_thinking=0,
            lowered_by=None,
            truncated=False,
            stop_reason=None,
            error_code=error_code,
            elapsed_ms=int(self._clock.elapsed_s * 1000),
        )
