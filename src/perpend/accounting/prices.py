"""What tokens cost, exactly: a price is a row of a price list (`price_list`), a row of your config, or free.

Arithmetic is decimal and never rounds: prices have at most 9 decimals, so any sum below a billion dollars
fits the 28 digits that decimals carry by default.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Literal

from msgspec import Struct, field

from perpend.config.schema import PriceConfig
from perpend.errors import ConfigError
from perpend.types import Usage

_ZERO = Decimal(0)
_MILLION_PLACES = 6
_MAX_PRICE = Decimal(1_000_000_000)
MAX_PLACES = 9
"""Decimals of a price per million tokens."""


Service = Literal["standard", "batch", "flex", "priority"]
"""How soon a call is served, where a vendor sells that."""


class Rates(Struct, frozen=True, kw_only=True):
    """US dollars per token, for calls whose input is longer than `above` tokens."""

    above: int = -1
    input: Decimal = _ZERO
    cached: Decimal = _ZERO
    written: Decimal = _ZERO
    """Input that is written into the provider's cache."""
    output: Decimal = _ZERO
    thinking: Decimal = _ZERO

    @property
    def dearest_input(self) -> Decimal:
        return max(self.input, self.written)

    @property
    def dearest_output(self) -> Decimal:
        return max(self.output, self.thinking)


class Price(Struct, frozen=True):
    """The price of one model, free unless said otherwise. Thinking is billed as output where nothing else is."""

    tiers: tuple[Rates, ...] = (Rates(),)
    """The longest inputs' first; the last is for every call."""
    services: dict[Service, Decimal] = field(default_factory=dict[Service, Decimal])
    """What a service pays of each price, as a factor."""
    effective: date = date.min
    source: str = "config"
    known: bool = True
    """False: nobody said what the model costs, so neither do answers and ledger, and a dollar cap can't hold."""

    @staticmethod
    def from_config(config: PriceConfig) -> "Price":
        """Raises ConfigError where a price has more than 9 decimals. `cached` defaults to `input`."""
        return Price((rates(input_=config.input, cached=config.cached, output=config.output),))

    def cost(self, usage: Usage, *, written: int = 0, service: Service = "standard") -> Decimal | None:
        """US dollars of one call; tiers go by the call's own input, so don't pass a sum of calls.

        None: tokens were used, and their price isn't known.

        `written` input tokens went into the provider's cache. A service that isn't in `services` is billed as
        the standard one.
        """
        if not self.known:
            return None if usage.total else _ZERO
        rates = self._rates_for(usage.input)
        cost = (
            rates.input * (usage.input - usage.cached - written)
            + rates.cached * usage.cached
            + rates.written * written
            + rates.thinking * usage.thinking
            + rates.output * usage.answer
        )
        factor = self.services.get(service)
        return cost if factor is None else cost * factor

    def worst_case(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What a call may cost at most: nothing found in the cache, every token generated."""
        rates = self._rates_for(input_tokens)
        return rates.dearest_input * input_tokens + rates.dearest_output * output_tokens

    @property
    def per_input_token(self) -> Decimal:
        """The dearest tier's, so that what is bought with it is never too much."""
        return self.tiers[0].dearest_input

    @property
    def per_output_token(self) -> Decimal:
        """The dearest tier's."""
        return self.tiers[0].dearest_output

    def _rates_for(self, input_tokens: int) -> Rates:
        for rates in self.tiers:
            if input_tokens > rates.above:
                return rates
        return self.tiers[-1]


UNKNOWN = Price(known=False)


def together(costs: Iterable[Decimal | None]) -> Decimal | None:
    """What several things cost; not known where one of them isn't."""
    total = _ZERO
    for cost in costs:
        if cost is None:
            return None
        total += cost
    return total


def dearest(prices: Iterable[Price]) -> Price:
    """A price that none of these exceeds; not known where one of them isn't."""
    first, *others = prices
    each = [first, *(price for price in others if price != first)]
    if len(each) == 1:
        return first
    if not all(price.known for price in each):
        return UNKNOWN
    bounds = sorted({rates.above for price in each for rates in price.tiers}, reverse=True)
    return Price(tuple(_dearest_above(bound, each) for bound in bounds))


def _dearest_above(bound: int, prices: list[Price]) -> Rates:
    """Of the rates that hold for an input just longer than `bound`."""
    each = [next(tier for tier in price.tiers if bound >= tier.above) for price in prices]
    return Rates(
        above=bound,
        input=max(rates.input for rates in each),
        cached=max(rates.cached for rates in each),
        written=max(rates.written for rates in each),
        output=max(rates.output for rates in each),
        thinking=max(rates.thinking for rates in each),
    )


def rates(
    *,
    input_: Decimal,
    output: Decimal,
    cached: Decimal | None = None,
    written: Decimal | None = None,
    thinking: Decimal | None = None,
    above: int = -1,
) -> Rates:
    """From dollars per million tokens: what isn't said is billed as `input_` or as `output`.

    Raises ConfigError where a price has more than 9 decimals.
    """
    return Rates(
        above=above,
        input=_per_token(input_),
        cached=_per_token(input_ if cached is None else cached),
        written=_per_token(input_ if written is None else written),
        output=_per_token(output),
        thinking=_per_token(output if thinking is None else thinking),
    )


def _per_token(per_million: Decimal) -> Decimal:
    if not per_million:
        return _ZERO
    exponent = per_million.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -MAX_PLACES or not _ZERO < per_million < _MAX_PRICE:
        raise ConfigError(
            f"a price of {per_million} per million tokens can't be kept exactly",
            hint=f"give US dollars with at most {MAX_PLACES} decimals",
            field="price",
        )
    return per_million.scaleb(-_MILLION_PLACES)
