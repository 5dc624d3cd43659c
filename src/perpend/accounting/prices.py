"""What tokens cost, exactly: a price is a row of `prices.toml`, a row of your config, or free.

Arithmetic is decimal and never rounds: prices have at most 9 decimals, so any sum below a billion dollars
fits the 28 digits that decimals carry by default.
"""

import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from perpend.config.schema import PriceConfig
from perpend.errors import ConfigError
from perpend.types import Usage

_ZERO = Decimal(0)
_MILLION_PLACES = 6
_MAX_PRICE = Decimal(1_000_000_000)
_MAX_PLACES = 9


class Rates(Struct, frozen=True):
    """US dollars per token, for calls whose input is longer than `above` tokens."""

    above: int
    input: Decimal
    cached: Decimal
    output: Decimal


_FREE = (Rates(-1, _ZERO, _ZERO, _ZERO),)


class Price(Struct, frozen=True):
    """The price of one model, free unless said otherwise. Thinking is billed as output."""

    tiers: tuple[Rates, ...] = _FREE
    """The longest inputs' first; the last is for every call."""
    batch: Decimal = Decimal(1)
    """What a batch pays of each price."""
    effective: date = date.min
    source: str = "config"
    known: bool = True
    """False: nobody said what the model costs; it is booked as free, and a dollar cap can't hold."""

    @staticmethod
    def from_config(config: PriceConfig) -> "Price":
        """Raises ConfigError where a price has more than 9 decimals. `cached` defaults to `input`."""
        cached = config.input if config.cached is None else config.cached
        return Price((_rates(-1, config.input, cached, config.output),))

    def cost(self, usage: Usage, *, batch: bool = False) -> Decimal:
        """US dollars of one call; tiers go by the call's own input, so don't pass a sum of calls."""
        rates = self._rates_for(usage.input)
        cost = (
            rates.input * (usage.input - usage.cached)
            + rates.cached * usage.cached
            + rates.output * (usage.thinking + usage.answer)
        )
        return cost * self.batch if batch else cost

    def worst_case(self, input_tokens: int, output_tokens: int) -> Decimal:
        """What a call may cost at most: nothing cached, every token generated."""
        rates = self._rates_for(input_tokens)
        return rates.input * input_tokens + rates.output * output_tokens

    @property
    def per_input_token(self) -> Decimal:
        """The dearest tier's, so that what is bought with it is never too much."""
        return self.tiers[0].input

    @property
    def per_output_token(self) -> Decimal:
        """The dearest tier's."""
        return self.tiers[0].output

    def _rates_for(self, input_tokens: int) -> Rates:
        for rates in self.tiers:
            if input_tokens > rates.above:
                return rates
        return self.tiers[-1]


UNKNOWN = Price(known=False)


def dearest(prices: Iterable[Price]) -> Price:
    """A price that none of these exceeds; not known where one of them isn't."""
    each = list(dict.fromkeys(prices))
    if len(each) == 1:
        return each[0]
    if not all(price.known for price in each):
        return UNKNOWN
    bounds = sorted({rates.above for price in each for rates in price.tiers}, reverse=True)
    return Price(tuple(_dearest_above(bound, each) for bound in bounds))


def _dearest_above(bound: int, prices: list[Price]) -> Rates:
    """Of the rates that hold for an input just longer than `bound`."""
    rates = [next(tier for tier in price.tiers if bound >= tier.above) for price in prices]
    return Rates(
        bound,
        max(rate.input for rate in rates),
        max(rate.cached for rate in rates),
        max(rate.output for rate in rates),
    )


def price_of(model: str, on: date | None = None) -> Price | None:
    """The listed price in force on that day, today (UTC) by default; None where no row names the model.

    Days before the model's first row get that row: its `effective` is then later than `on`.
    `vendor/model` finds the model's own row.
    """
    return _listed(model, on or datetime.now(UTC).date())


@lru_cache(maxsize=1024)
def _listed(model: str, on: date) -> Price | None:
    for name in (model, model.rpartition("/")[2]):
        rows = [row for row in _table() if any(fnmatchcase(name, glob) for glob in row.models)]
        if rows:
            in_force = [row for row in rows if row.effective <= on]
            if in_force:
                return max(in_force, key=lambda row: row.effective).price()
            return min(rows, key=lambda row: row.effective).price()
    return None


class _Tier(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    above: int
    input: Decimal
    cached: Decimal | None = None
    output: Decimal


class _Row(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A row of `prices.toml`, in US dollars per million tokens as vendors publish them."""

    provider: str
    models: tuple[str, ...]
    effective: date
    source: str
    checked: date
    input: Decimal
    cached: Decimal | None = None
    output: Decimal
    batch: Decimal = Decimal(1)
    tiers: tuple[_Tier, ...] = ()

    def price(self) -> Price:
        base = _Tier(above=-1, input=self.input, cached=self.cached, output=self.output)
        tiers = sorted((*self.tiers, base), key=lambda tier: -tier.above)
        rates = tuple(
            _rates(tier.above, tier.input, tier.input if tier.cached is None else tier.cached, tier.output)
            for tier in tiers
        )
        return Price(rates, self.batch, self.effective, self.source)


@cache
def _table() -> tuple[_Row, ...]:
    text = files("perpend.accounting").joinpath("prices.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text, parse_float=Decimal)["price"]
    return msgspec.convert(rows, tuple[_Row, ...])


def _rates(above: int, input_: Decimal, cached: Decimal, output: Decimal) -> Rates:
    return Rates(above, _per_token(input_), _per_token(cached), _per_token(output))


def _per_token(per_million: Decimal) -> Decimal:
    if not per_million:
        return _ZERO
    exponent = per_million.normalize().as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MAX_PLACES or not _ZERO < per_million < _MAX_PRICE:
        raise ConfigError(
            f"a price of {per_million} per million tokens can't be kept exactly",
            hint=f"give US dollars with at most {_MAX_PLACES} decimals",
            field="price",
        )
    return per_million.scaleb(-_MILLION_PLACES)
