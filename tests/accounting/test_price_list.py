"""Which row a model gets: the provider's own, your list before the packaged one, the day's."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

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


def test_a_provider_has_its_own_rows_alone() -> None:
    listed = PriceList([row("a", "m", "1"), row("b", "m", "2")])
    found = [listed.row("m", provider, DAY) for provider in ("a", "b", "elsewhere", None)]
    assert [each and each.output for each in found] == [1, 2, None, 1]


@pytest.mark.parametrize("row", [row for row in packaged() if not row.hosted], ids=lambda row: row.models[0])
def test_no_place_takes_the_price_of_a_maker(row: PriceRow) -> None:
    """A host's price is listed under its own name, or not known: whatever it calls the model."""
    own = {each.provider for each in packaged()}
    for glob in row.models:
        model = glob.replace("*", "1")
        for host in ("openrouter", "nvidia", "huggingface", "fireworks", "together", "vllm", "groq", "mine"):
            for name in (model, f"maker/{model}", f"accounts/{host}/models/{model}", model.upper()):
                found = price_list().row(name, host)
                assert found is None or found.provider == host, (host, name)
    assert row.provider in own


def test_names_match_whatever_their_case() -> None:
    listed = price_list()
    assert (
        listed.row("DeepSeek-R1")
        == listed.row("deepseek-r1")
        == listed.row("deepseek-ai/DeepSeek-R1")
        is not None
    )
    for name in ("Openai/GPT-OSS-120B", "openai/gpt-oss-120b"):
        found = listed.row(name, "groq")
        assert found is not None
        assert found.provider == "groq"
    assert PriceList([row("a", "Some-Model*", "1")]).row("some-MODEL-2", "a", DAY) is not None


@pytest.mark.parametrize(
    ("provider", "model", "input_", "output"),
    [
        ("deepseek", "deepseek-chat", "0.28", "0.42"),
        ("deepseek", "deepseek-reasoner", "0.28", "0.42"),
        ("openai", "o3-pro", "20", "80"),
        ("openai", "o1-preview", "15", "60"),
        ("xai", "grok-3", "3", "15"),
        ("xai", "grok-3-mini", "0.3", "0.5"),
        ("anthropic", "claude-opus-4-0", "15", "75"),
        ("anthropic", "claude-sonnet-4-0", "3", "15"),
        ("qwen", "qwen-plus", "0.4", "1.2"),
        ("mistral", "mistral-large-2411", "2", "6"),
        ("deepinfra", "deepseek-ai/DeepSeek-R1-0528", "0.5", "2.15"),
        ("fireworks", "accounts/fireworks/models/deepseek-r1-0528", "3", "8"),
        ("together", "deepseek-ai/DeepSeek-R1-0528", "3", "7"),
        ("cerebras", "qwen-3-32b", "0.4", "0.8"),
        ("bedrock-anthropic", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "3", "15"),
    ],
)
def test_what_the_guides_systems_cost(provider: str, model: str, input_: str, output: str) -> None:
    found = price_list().row(model, provider, on=date(2026, 12, 1))
    assert found is not None
    assert (found.input, found.output) == (Decimal(input_), Decimal(output))


def test_a_tier_may_have_a_price_of_its_own_for_thinking() -> None:
    price = price_list().price("qwen-plus", "qwen")
    assert price is not None
    million = 1_000_000
    assert price.cost(Usage(input=1000, thinking=million)) == Decimal("4.0004")
    assert price.cost(Usage(input=300_000, thinking=million)) == Decimal("12.36")


def test_a_hosts_row_is_for_nobody_else() -> None:
    listed = PriceList([replace(row("host", "m", "1"), hosted=True), row("maker", "x", "2")])
    found = [listed.row("m", provider, DAY) for provider in ("host", "elsewhere", None)]
    assert [each and each.output for each in found] == [1, None, None]
    assert price_list().row("openai/gpt-oss-120b", "vllm") is None


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
    assert opus.cost(Usage(input=1_000_000), written=1_000_000) == Decimal("6.25")
    qwen = listed.price("qwen-plus-2025-07-14", "qwen", DAY)
    assert qwen is not None
    assert qwen.cost(Usage(thinking=1_000_000)) == 4
    assert qwen.cost(Usage(answer=1_000_000)) == Decimal("1.2")


@pytest.mark.parametrize(
    ("provider", "model", "output"),
    [
        ("groq", "openai/gpt-oss-120b", "0.60"),
        ("together", "openai/gpt-oss-120b", "0.60"),
        ("cerebras", "gpt-oss-120b", "0.75"),
    ],
)
def test_a_model_costs_what_its_provider_asks(provider: str, model: str, output: str) -> None:
    found = price_list().row(model, provider, on=date(2026, 12, 1))
    assert found is not None
    assert (found.provider, found.output) == (provider, Decimal(output))


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
