"""A cost equals the price table's arithmetic to the last digit."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from costs import known
from hypothesis import given
from hypothesis import strategies as st

from perpend.accounting.price_list import price_of
from perpend.accounting.prices import Price, rates
from perpend.config.schema import PriceConfig
from perpend.errors import ConfigError
from perpend.types import Usage

MONEY = st.integers(0, 10**13).map(lambda nano: Decimal(nano).scaleb(-9))
COUNTS = st.integers(0, 10_000_000)


FACTORS = st.sampled_from([Decimal("0.5"), Decimal("0.8"), Decimal("1.75"), Decimal(2)])


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    input_ = draw(COUNTS)
    return Usage(input_, draw(st.integers(0, input_)), draw(COUNTS), draw(COUNTS))


class TestCost:
    def test_a_worked_example(self) -> None:
        price = Price.from_config(
            PriceConfig(input=Decimal("1.10"), cached=Decimal("0.55"), output=Decimal("4.40"))
        )
        usage = Usage(input=1_000, cached=400, thinking=5_000, answer=200)
        assert price.cost(usage) == Decimal("0.023760")  # 600 × 1.10 + 400 × 0.55 + 5200 × 4.40, per million

    @given(MONEY, MONEY, MONEY, usages())
    def test_it_is_exact(self, input_: Decimal, cached: Decimal, output: Decimal, usage: Usage) -> None:
        price = Price.from_config(PriceConfig(input=input_, cached=cached, output=output))
        expected = (
            Fraction(input_) * (usage.input - usage.cached)
            + Fraction(cached) * usage.cached
            + Fraction(output) * (usage.thinking + usage.answer)
        ) / 1_000_000
        assert Fraction(known(price.cost(usage))) == expected

    @given(st.lists(MONEY, min_size=5, max_size=5), FACTORS, usages(), st.floats(0, 1))
    def test_each_kind_of_token_at_its_own_price(
        self, prices: list[Decimal], factor: Decimal, usage: Usage, share: float
    ) -> None:
        new = int((usage.input - usage.cached) * share)
        input_, cached, written, output, thinking = prices
        own = rates(input_=input_, cached=cached, written=written, output=output, thinking=thinking)
        price = Price((own,), {"flex": factor})
        expected = (
            Fraction(input_) * (usage.input - usage.cached - new)
            + Fraction(cached) * usage.cached
            + Fraction(written) * new
            + Fraction(output) * usage.answer
            + Fraction(thinking) * usage.thinking
        ) / 1_000_000
        assert Fraction(known(price.cost(usage, written=new))) == expected
        assert price.cost(usage, service="priority") == price.cost(usage)
        if cached <= max(input_, written):
            assert known(price.cost(usage, written=new)) <= price.worst_case(usage.input, usage.output)

    @given(st.integers(0, 10**9).map(lambda micro: Decimal(micro).scaleb(-6)), FACTORS, COUNTS)
    def test_a_services_factor_is_exact(self, output: Decimal, factor: Decimal, tokens: int) -> None:
        price = Price((rates(input_=Decimal(0), output=output),), {"batch": factor})
        assert Fraction(known(price.cost(Usage(answer=tokens), service="batch"))) == (
            Fraction(output) * tokens * Fraction(factor) / 1_000_000
        )

    @given(MONEY, st.lists(usages(), max_size=20))
    def test_the_sum_of_calls_is_exact(self, output: Decimal, calls: list[Usage]) -> None:
        price = Price.from_config(PriceConfig(output=output))
        total = sum((known(price.cost(usage)) for usage in calls), Decimal(0))
        assert Fraction(total) == Fraction(output) * sum(usage.output for usage in calls) / 1_000_000

    @given(MONEY, MONEY, usages())
    def test_the_worst_case_bounds_the_cost(self, input_: Decimal, output: Decimal, usage: Usage) -> None:
        price = Price.from_config(PriceConfig(input=input_, cached=input_ / 2 // 1, output=output))
        assert known(price.cost(usage)) <= price.worst_case(usage.input, usage.output)

    def test_cached_input_costs_the_same_where_nothing_else_is_said(self) -> None:
        price = Price.from_config(PriceConfig(input=Decimal(2)))
        assert price.cost(Usage(input=1_000_000, cached=999_999)) == 2

    def test_free_by_default(self) -> None:
        assert Price().cost(Usage(10, 0, 10**6, 10**6)) == 0
        assert Price().per_input_token == Price().per_output_token == 0

    def test_a_price_that_could_not_be_kept_exactly_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="per million") as refused:
            Price.from_config(PriceConfig(output=Decimal("0.1234567891")))
        assert refused.value.hint


class TestTable:
    @pytest.mark.parametrize(
        ("model", "input_", "output"),
        [
            ("gpt-4o", "2.50", "10"),
            ("o1-mini", "3", "12"),
            ("o1", "15", "60"),
            ("o1-pro", "150", "600"),
            ("o3-mini", "1.10", "4.40"),
            ("o4-mini", "1.10", "4.40"),
            ("o4", "12", "48"),
            ("o4-pro", "120", "480"),
            ("claude-sonnet-4-5", "3", "15"),
            ("gemini-2.5-flash", "0.30", "2.50"),
            ("gemini-2.5-pro-deep-think", "10", "50"),
            ("deepseek-r1", "0.55", "2.19"),
        ],
    )
    def test_the_guides_prices_of_may_2026(self, model: str, input_: str, output: str) -> None:
        price = price_of(model, date(2026, 5, 31))
        assert price is not None
        assert price.tiers[-1].input * 1_000_000 == Decimal(input_)
        assert price.per_output_token * 1_000_000 == Decimal(output)

    @pytest.mark.parametrize(
        ("day", "output"),
        [
            (date(2025, 4, 15), "40"),  # before the first row: the first
            (date(2025, 4, 16), "40"),
            (date(2025, 6, 9), "40"),
            (date(2025, 6, 10), "8"),  # the cut
            (date(2030, 1, 1), "8"),
        ],
    )
    def test_a_day_gets_the_price_in_force(self, day: date, output: str) -> None:
        price = price_of("o3", day)
        assert price is not None
        assert price.per_output_token * 1_000_000 == Decimal(output)
        assert (price.effective > day) == (day < date(2025, 4, 16))

    def test_dated_and_prefixed_names_find_their_row(self) -> None:
        day = date(2026, 5, 1)
        assert price_of("o3-2025-04-16", day) == price_of("openai/o3", day) == price_of("o3", day)
        assert price_of("o3-mini", day) != price_of("o3", day)

    def test_an_unlisted_model_has_no_price(self) -> None:
        assert price_of("somebody/llama-99") is None

    def test_another_model_whose_name_begins_alike_has_not_its_price(self) -> None:
        for model in (
            "o4-mini-deep-research",
            "gpt-4o-mini-tts",
            "gpt-4o-realtime-preview",
            "o3-deep-research",
        ):
            assert price_of(model) is None

    def test_long_inputs_pay_their_tier_throughout(self) -> None:
        price = price_of("gemini-2.5-pro", date(2026, 1, 1))
        assert price is not None
        assert price.cost(Usage(200_000, 0, 0, 1_000)) == Decimal("0.26")
        assert price.cost(Usage(200_001, 200_001, 0, 1_000)) == Decimal("0.06500025")
        assert price.per_output_token == Decimal("0.000015")

    def test_a_batch_pays_half(self) -> None:
        price = price_of("o3-mini", date(2026, 1, 1))
        assert price is not None
        usage = Usage(333, 111, 777, 1)
        assert known(price.cost(usage, service="batch")) * 2 == price.cost(usage)
