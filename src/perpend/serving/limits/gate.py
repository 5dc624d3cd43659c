"""The gate of one request: reserves its use of key, team and user limits before it runs, and settles it after."""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

from perpend.accounting.ledger import Scope
from perpend.accounting.prices import Price
from perpend.errors import BadRequest, CapReached, Overloaded
from perpend.serving.limits.allowed import require_allowed, require_model
from perpend.serving.limits.meters import Meter, Meters, dollars, pico
from perpend.serving.limits.watch import LimitWatch
from perpend.serving.limits.windows import Resource
from perpend.solve import Prepared, lowered
from perpend.storage.counters import CounterClaim, CounterTable, Refusal
from perpend.strategies import draws_of

_TRIES = 4
"""Attempts to fit a request into what is left, while other requests take from it too."""
_SLACK = 2
"""Factor of a request's worst cost that is reserved, since a call may be retried; the rest is released at its end."""
_CALLS = 8
"""Calls assumed for a strategy that doesn't tell its number of candidates."""
_SOON_S = 1.0

Learn = Callable[[Sequence[Meter]], Awaitable[None]]
"""Loads the meters' use from the ledger. Raises StorageError."""


class LimitGate:
    """Implements `solve.Gate`."""

    __slots__ = ("_claims", "_learn", "_meters", "_table", "_watch")

    def __init__(self, meters: Meters, table: CounterTable, learn: Learn, watch: LimitWatch) -> None:
        self._meters = meters
        self._table = table
        self._learn = learn
        self._watch = watch
        self._claims: list[CounterClaim] = []

    async def enter(self, prepared: Prepared) -> Prepared:
        """Reserves the request's use and returns the request, lowered to what is left of thinking tokens and dollars.

        Raises Forbidden for what isn't allowed, Overloaded for a rate limit, CapReached for a dollar limit, BadRequest
        where dollars are limited and the model has no known price, and StorageError.
        """
        for subject in self._meters.subjects:
            prepared = require_allowed(prepared, subject)
        await self._know()
        for left in reversed(range(_TRIES)):
            now = time.time()
            fitted, usd = self._fitted(prepared, now)
            refusal = self._take(_wanted(fitted, usd), now)
            if refusal is None:
                return fitted
            if not left or self._refusing(refusal).limit.resource not in ("thinking", "usd"):
                raise self._error(refusal, now)
        raise AssertionError("the last try returns or raises")

    async def admit(self, prepared: Prepared) -> Prepared:
        """Returns the request unchanged: limits are checked in `enter`."""
        return prepared

    async def enter_embedding(self, model: str, tokens: int, price: Price) -> None:
        """Reserves the use of an embedding request of at most `tokens` tokens. Raises as `enter`."""
        for subject in self._meters.subjects:
            require_model(subject, (model,))
        await self._know()
        if not price.known and any(meter.limit.resource == "usd" for meter in self._meters.meters):
            raise _no_price(model)
        now = time.time()
        usd = pico(price.worst_case(tokens, 0))
        refusal = self._take({"requests": 1, "concurrent": 1, "input": tokens, "usd": usd}, now)
        if refusal is not None:
            raise self._error(refusal, now)

    async def _know(self) -> None:
        if unknown := [meter for meter in self._meters.meters if not meter.known]:
            await self._learn(unknown)

    def _take(self, wanted: dict[Resource, int], now: float) -> Refusal | None:
        """Reserves all of `wanted` and returns None, or reserves nothing and returns the refusal."""
        self._claims = [
            meter.claim(wanted.get(meter.limit.resource, 0), now) for meter in self._meters.meters
        ]
        return self._table.take(self._claims)

    def _refusing(self, refusal: Refusal) -> Meter:
        return self._meters.meters[refusal.at]

    def _error(self, refusal: Refusal, now: float) -> Overloaded | CapReached:
        meter = self._refusing(refusal)
        self._watch.refused(meter)
        return _error(meter, refusal, now)

    def leave(self, spent: Scope) -> None:
        """Replaces the reservation by what the request spent."""
        usage = spent.usage
        used: dict[Resource, int] = {
            "requests": 1,
            "concurrent": 0,
            "input": usage.input,
            "thinking": usage.thinking,
            "answer": usage.answer,
            "usd": pico(spent.spent.usd),
        }
        meters = self._meters.meters
        amounts = [used[meter.limit.resource] for meter in meters]
        self._watch.used(meters, amounts, self._table.settle(self._claims, amounts))

    def _fitted(self, prepared: Prepared, now: float) -> tuple[Prepared, Decimal]:
        """Returns the request within the remaining thinking tokens and dollars, and the dollars to reserve.

        Raises BadRequest where dollars are limited and the model has no known price.
        """
        thinking = usd = None
        for meter in self._meters.meters:
            resource, window = meter.limit.resource, meter.limit.window
            if resource == "thinking" and window == "day":
                left = self._table.left(meter.claim(0, now))
                thinking = left if thinking is None else min(thinking, left)
            elif resource == "usd":
                left = self._table.left(meter.claim(0, now))
                usd = left if usd is None else min(usd, left)
        if thinking is not None:
            prepared = lowered(prepared, "allowance", thinking=thinking)
        if usd is None:
            return prepared, Decimal(0)
        if not prepared.model.price.known:
            raise _no_price(prepared.model.name)
        hold = min(_worst(prepared), dollars(usd))
        try:
            return lowered(prepared, "allowance", usd=hold), hold
        except CapReached:
            return prepared, _least(prepared)  # more than is left: `_take` refuses it and names the limit


def _wanted(prepared: Prepared, usd: Decimal) -> dict[Resource, int]:
    request, model, budget = prepared.request, prepared.model, prepared.budget
    bound = model.input_bound(request.messages, request.output_spec) * model.speed.tokens_per_byte
    return {
        "requests": 1,
        "concurrent": 1,
        "input": min(prepared.input_bound, math.ceil(bound)),
        "thinking": budget.thinking,
        "answer": budget.answer,
        "usd": pico(usd),
    }


def _worst(prepared: Prepared) -> Decimal:
    """Returns the US dollars to reserve: the request's worst cost, at most its own cap."""
    costs, budget = prepared.model.worst_costs(prepared.input_bound), prepared.budget
    answer = max(budget.answer, budget.output - budget.thinking)
    once = costs.fixed + costs.thinking * budget.thinking + costs.answer * answer
    draws = draws_of(prepared.strategy)
    unknown = 1 if prepared.request.strategy.name == "single" else _CALLS
    calls = unknown if draws is None else draws.of(prepared.options)
    worst, cap = once * calls * _SLACK, prepared.request.limits.max_cost_usd
    return worst if cap is None else min(worst, cap)


def _least(prepared: Prepared) -> Decimal:
    """Returns the fewest US dollars that pay for an answer."""
    costs = prepared.model.worst_costs(prepared.input_bound)
    return costs.fixed + costs.answer


def _error(meter: Meter, refusal: Refusal, now: float) -> Overloaded | CapReached:
    subject, field = meter.subject, meter.limit.field
    bound = getattr(subject.allowance, field)
    nobody = subject.kind == "key" and subject.key_id is None
    who = "requests without a key" if nobody else f"the {subject.kind} {subject.name!r}"
    if meter.limit.resource == "concurrent":
        return Overloaded(
            f"{bound} requests of {who} are being answered already",
            retry_after=_SOON_S,
            hint=f"send fewer at a time, or raise {field}",
        )
    ends = meter.turn(now).ends
    wait_s = refusal.wait_s if ends is None else ends.timestamp() - now
    if refusal.held and refusal.claim.amount <= refusal.left + refusal.held:
        wait_s = _SOON_S  # it fits once running requests release what they don't use
    if meter.limit.resource == "usd" and wait_s != _SOON_S:
        again = f" until {ends:%Y-%m-%d} UTC" if ends else ""
        return CapReached(
            f"{who} may spend ${bound:f} ({field}), and ${dollars(refusal.left):f} of it is left{again}",
            hint=f"shorten the prompt, choose a cheaper model, or raise {field}",
            field=field,
        )
    return Overloaded(
        f"{who} has used {field} ({_number(bound)})",
        retry_after=wait_s,
        hint=f"send it again after that many seconds, or raise {field}",
        field=field,
    )


def _number(bound: int | Decimal) -> str:
    return f"${bound:f}" if isinstance(bound, Decimal) else f"{bound:,}"


def _no_price(model: str) -> BadRequest:
    return BadRequest(
        f"no price of {model!r} is known, so this key's dollars can't be limited",
        hint="give it a price under [models] in perpend.toml ({ input = 0, output = 0 } where it's free)",
        field="model",
    )
