"""Which price a model has on a day: your own list (`prices.json` in PERPEND_HOME) first, then the packaged ones."""

import tomllib
from codecs import BOM_UTF8
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
from msgspec import Struct

from perpend.accounting.prices import Price, Service, rates
from perpend.errors import ConfigError

OWN_LIST = "prices.json"
_PACKAGED = ("prices.toml", "prices_hosted.toml")


class Tier(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Prices of calls whose input is longer than `above` tokens."""

    above: int
    input: Decimal
    cached: Decimal | None = None
    output: Decimal
    thinking: Decimal | None = None


class PriceRow(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A row, in US dollars per million tokens as vendors publish them; `prices.toml` says what the fields mean."""

    provider: str
    models: tuple[str, ...]
    effective: date
    source: str
    checked: date
    input: Decimal
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    output: Decimal
    thinking: Decimal | None = None
    batch: Decimal | None = None
    flex: Decimal | None = None
    priority: Decimal | None = None
    tiers: tuple[Tier, ...] = ()
    hosted: bool = False

    def price(self) -> Price:
        base = rates(
            input_=self.input,
            cached=self.cached,
            written=self.cache_write,
            output=self.output,
            thinking=self.thinking,
        )
        tiers = [
            rates(
                above=tier.above,
                input_=tier.input,
                cached=tier.cached,
                output=tier.output,
                thinking=tier.thinking,
            )
            for tier in sorted(self.tiers, key=lambda tier: -tier.above)
        ]
        factors: dict[Service, Decimal | None] = {
            "batch": self.batch,
            "flex": self.flex,
            "priority": self.priority,
        }
        services: dict[Service, Decimal] = {
            name: factor for name, factor in factors.items() if factor is not None
        }
        return Price((*tiers, base), services, self.effective, self.source)

    def names(self, model: str) -> bool:
        """Whatever the case of either."""
        return any(fnmatchcase(model.lower(), glob.lower()) for glob in self.models)


class PriceList:
    """Lists of rows, the first of which goes before the others."""

    def __init__(self, *lists: Iterable[PriceRow]) -> None:
        self.lists = tuple(tuple(rows) for rows in lists)
        self._found: dict[tuple[str, str | None, date], PriceRow | None] = {}

    def row(self, model: str, provider: str | None = None, on: date | None = None) -> PriceRow | None:
        """The row in force on that day, today (UTC) by default; None where no row names the model.

        A provider has its own rows alone: what the maker asks, or another host, says nothing of what it asks. Without
        a provider it's what the maker asks. `vendor/model` finds the model's own row.
        Days before a model's first row get that row: its `effective` is then later than `on`.
        """
        key = (model, provider, on or datetime.now(UTC).date())
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def price(self, model: str, provider: str | None = None, on: date | None = None) -> Price | None:
        """See `row`."""
        row = self.row(model, provider, on)
        return None if row is None else row.price()

    def current(self, on: date) -> list[PriceRow]:
        """Of each provider's models, the row in force on that day."""
        latest: dict[tuple[str, tuple[str, ...]], PriceRow] = {}
        for row in [row for rows in reversed(self.lists) for row in rows if row.effective <= on]:
            before = latest.get((row.provider, row.models))
            if before is None or row.effective >= before.effective:
                latest[row.provider, row.models] = row
        return sorted(latest.values(), key=lambda row: (row.provider, row.models))

    def _find(self, model: str, provider: str | None, on: date) -> PriceRow | None:
        first: PriceRow | None = None
        for rows in self.lists:
            named = _naming(rows, model, provider)
            if in_force := [row for row in named if row.effective <= on]:
                return max(in_force, key=lambda row: row.effective)
            if named and first is None:
                first = min(named, key=lambda row: row.effective)
        return first


def price_list(home: Path | None = None) -> PriceList:
    """The packaged list, behind your own one where `home` has it. Raises ConfigError where that can't be read."""
    return PriceList(own_rows(home), packaged()) if home is not None else PriceList(packaged())


@cache
def packaged() -> tuple[PriceRow, ...]:
    return tuple(row for name in _PACKAGED for row in _read(name))


def _read(name: str) -> tuple[PriceRow, ...]:
    text = files("perpend.accounting").joinpath(name).read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal)["price"], tuple[PriceRow, ...])


def own_rows(home: Path) -> tuple[PriceRow, ...]:
    """Raises ConfigError."""
    path = home / OWN_LIST
    if not path.exists():
        return ()
    try:
        return msgspec.json.decode(path.read_bytes().removeprefix(BOM_UTF8), type=tuple[PriceRow, ...])
    except (OSError, ValueError) as error:
        hint = "remove it, and make it anew with `perpend models prices --update FILE`"
        raise ConfigError(f"{path} can't be read: {error}", hint=hint) from error


def price_of(model: str, on: date | None = None) -> Price | None:
    """The packaged list's price. See `PriceList.row`."""
    return _packaged_list().price(model, on=on)


@cache
def _packaged_list() -> PriceList:
    return PriceList(packaged())


def _naming(rows: tuple[PriceRow, ...], model: str, provider: str | None) -> list[PriceRow]:
    for name in dict.fromkeys((model, model.rpartition("/")[2])):
        asked = [row for row in rows if (row.provider == provider if provider else not row.hosted)]
        if found := [row for row in asked if row.names(name)]:
            return found
    return []
