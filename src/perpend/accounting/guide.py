"""The reasoning guide's prices beside those in force: where the two differ, both are shown."""

import tomllib
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files

import msgspec
from msgspec import Struct

from perpend.accounting.price_list import PriceList, PriceRow


class GuidePrice(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A line of one of the guide's tables; `guide_prices.toml` says what the fields mean."""

    table: str
    provider: str
    model: str
    input: Decimal | None = None
    output: Decimal
    output_most: Decimal | None = None

    def differs(self, row: PriceRow | None) -> bool:
        """A range that has the row's price in it doesn't differ."""
        if row is None:
            return True
        inside = self.output <= row.output <= (self.output_most or self.output)
        return not inside or self.input not in (None, row.input)


class Beside(Struct, frozen=True):
    guide: GuidePrice
    listed: PriceRow | None
    """The row in force; None: there is none."""
    differs: bool


def against_guide(listed: PriceList, on: date) -> list[Beside]:
    """In the guide's order."""
    rows = [(price, listed.row(price.model, price.provider, on)) for price in _prices()]
    return [Beside(price, row, price.differs(row)) for price, row in rows]


@cache
def _prices() -> tuple[GuidePrice, ...]:
    text = files("perpend.accounting").joinpath("guide_prices.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text, parse_float=Decimal)["price"], tuple[GuidePrice, ...])
