"""Which row a model gets: the provider's own, your list before the packaged one, the day's."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from perpend.accounting.price_list import PriceList, PriceRow, own_rows, packaged, price_list
from perpend.errors import ConfigError
from perpend.types import Usage

DAY = date(2026, 11, 1)


def row(provider: str, model: str, output: str, effective: date = date(2026, 1, 1)) -> PriceRow:
    return PriceRow(
        provider=provider,
        models=(model,),
        effective=effective,
        source="test",
        checked=effective,
        input=Decimal(1),
        output=Decimal(output),
    )


def test_a_providers_own_row_goes_before_others() -> None:
    listed = PriceList([row("a", "m", "1"), row("b", "m", "2")])
    found = [listed.row("m", provider, DAY) for provider in ("a", "b", "elsewhere")]
    assert [each and each.output for each in found] == [1, 2, 1]


def test_your_list_goes_before_the_packaged_one_once_it_is_in_force() -> None:
    listed = PriceList([row("a", "m", "9", date(2026, 6, 1))], [row("a", "m", "1")])
    found = [listed.row("m", on=day) for day in (date(2026, 5, 31), date(2026, 6, 1))]
    assert [each and each.output for each in found] == [1, 9]


def test_the_current_rows_are_one_for_each_model() -> None:
    listed = PriceList([row("a", "m", "9", date(2026, 6, 1))], [row("a", "m", "1"), row("b", "n", "3")])
    assert [(each.provider, each.output) for each in listed.current(DAY)] == [("a", 9), ("b", 3)]


def test_the_packaged_rows_can_be_priced() -> None:
    for each in packaged():
        price = each.price()
        assert price.per_output_token >= 0
        assert each.source


def test_cache_writes_and_thinking_have_prices_of_their_own() -> None:
    listed = price_list()
    opus = listed.price("claude-opus-4-5", on=DAY)
    assert opus is not None
    assert opus.cost(Usage(input=1_000_000, written=1_000_000)) == Decimal("6.25")
    qwen = listed.price("qwen-plus-2025-07-14", "qwen", DAY)
    assert qwen is not None
    assert qwen.cost(Usage(thinking=1_000_000)) == 4
    assert qwen.cost(Usage(answer=1_000_000)) == Decimal("1.2")


def test_services_have_factors() -> None:
    price = price_list().price("o3", on=DAY)
    assert price is not None
    paid = [price.cost(Usage(answer=1_000_000), service=s) for s in ("standard", "batch", "flex", "priority")]
    assert paid == [8, 4, 4, 14]


def test_your_list_is_read_from_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_bytes(msgspec.json.encode([row("a", "my-model", "7")]))
    found = price_list(tmp_path).row("my-model", on=DAY)
    assert found is not None
    assert found.output == 7
    assert own_rows(tmp_path / "nowhere") == ()


def test_a_damaged_list_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text("[{")
    with pytest.raises(ConfigError, match=r"prices\.json") as refused:
        price_list(tmp_path)
    assert "--update" in str(refused.value.hint)
