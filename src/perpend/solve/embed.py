"""Embeddings through the house: asked of a model's places in turn, accounted in the ledger, and passed on."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from msgspec.structs import replace

from perpend.accounting.ledger import Scope, Spend
from perpend.accounting.prices import Price
from perpend.errors import PerpendError, UpstreamError
from perpend.solve.control import Clock
from perpend.solve.gate import EmbeddingGate
from perpend.solve.ledger_entry import LedgerEntry, Origin
from perpend.solve.prepare import Recorder
from perpend.types import EmbeddingRequest, EmbeddingResult, Usage


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
    gate: EmbeddingGate | None = None,
) -> EmbeddingResult:
    """The row is durable before this returns. Raises BadRequest, EngineError and UpstreamError: of the last place, if
    all fail; and what the gate raises."""
    recorder.check()
    spent = Scope("embeddings")
    if gate is None:
        return await _recorded(asked, model, places, recorder, origin, spent)
    dearest = max(
        (place.price for place in places), key=lambda price: (not price.known, price.per_input_token)
    )
    await gate.enter_embedding(model, asked.input_bound, dearest)
    try:
        return await _recorded(asked, model, places, recorder, origin, spent)
    finally:
        gate.leave(spent)


async def _recorded(
    asked: EmbeddingRequest,
    model: str,
    places: Sequence[EmbeddingDeployment],
    recorder: Recorder,
    origin: Origin,
    spent: Scope,
) -> EmbeddingResult:
    entry = LedgerEntry(origin, Clock(None), strategy="single")
    try:
        place, made = await _made(asked, places)
    except PerpendError as error:
        row = entry.row(Usage(), Decimal(0), "failed", model=model, provider=places[0].provider)
        await recorder.write(replace(row, error_code=error.code))
        raise
    cost = place.price.cost(made.usage)
    used = Spend(input=made.usage.input, usd=cost or Decimal(0))
    spent.reserve(used).settle(used, priced=cost is not None)
    made = replace(made, request_id=entry.id, cost_usd=cost)
    row = entry.spent(spent, "finished", model=model, provider=place.provider)
    await recorder.write(replace(row, model_version=made.model_version))
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
