"""The reasoning guide's table beside the prices in force."""

from datetime import date
from decimal import Decimal

from perpend.accounting.guide import against_guide
from perpend.accounting.price_list import PriceList, price_list

DAY = date(2026, 11, 27)


def test_where_the_two_differ_both_are_shown() -> None:
    differ = {
        (line.guide.model, line.guide.table): line
        for line in against_guide(price_list(), DAY)
        if line.differs
    }
    o3 = differ["o3", "pricing trajectory"]
    assert o3.listed is not None
    assert (o3.guide.output, o3.listed.output, o3.listed.source) == (
        40,
        8,
        "flex and priority: LiteLLM 1.109.1 (unverified); listed by OpenAI",
    )
    opus = differ["claude-opus-4-5", "thinking-token economics"]
    assert opus.listed is not None
    assert (opus.guide.input, opus.listed.input) == (15, 5)
    assert {model for model, _ in differ} == {"o3", "claude-opus-4-5"}


def test_on_the_guides_own_day_a_range_holds_what_is_in_it() -> None:
    ranges = [line for line in against_guide(price_list(), DAY) if line.guide.output_most is not None]
    assert {line.guide.model: line.differs for line in ranges} == {
        "o3": True,
        "o4-mini": False,
        "claude-opus-4-5": False,
        "gemini-2.5-pro": False,
        "grok-4": False,
    }


def test_a_price_that_nobody_knows_differs() -> None:
    assert all(line.differs and line.listed is None for line in against_guide(PriceList(()), DAY))
    assert all(line.guide.output > Decimal(0) for line in against_guide(PriceList(()), DAY))
