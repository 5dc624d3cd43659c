"""LiteLLM's list becomes rows, exactly; what has no price of tokens is left out."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from shared_data import shared

from perpend.accounting.litellm import merged, rows_from
from perpend.accounting.price_list import PriceRow
from perpend.errors import BadRequest

DAY, LATER = date(2026, 11, 24), date(2026, 12, 24)
ENTRY: dict[str, Any] = {
    "litellm_provider": "gemini",
    "mode": "chat",
    "input_cost_per_token": 1.25e-06,
    "output_cost_per_token": 1e-05,
    "cache_read_input_token_cost": 1.25e-07,
    "cache_creation_input_token_cost": 1.5e-06,
    "output_cost_per_reasoning_token": 3.5e-06,
    "input_cost_per_token_batches": 6.25e-07,
    "output_cost_per_token_batches": 5e-06,
    "input_cost_per_token_priority": 2.5e-06,
    "output_cost_per_token_priority": 3e-05,
    "input_cost_per_token_above_200k_tokens": 2.5e-06,
    "output_cost_per_token_above_200k_tokens": 1.5e-05,
}


def rows(entries: dict[str, dict[str, Any]], day: date = DAY) -> list[PriceRow]:
    return rows_from(json.dumps(entries), day)


def test_an_entry_becomes_a_row() -> None:
    (row,) = rows({"gemini/pro": ENTRY})
    assert (row.provider, row.models) == ("google", ("pro",))
    told = row.input, row.cached, row.cache_write, row.output, row.thinking
    assert told == tuple(map(Decimal, ("1.25", "0.125", "1.5", "10", "3.5")))
    assert row.batch == Decimal("0.5")
    assert row.priority is None, "input twice, output three times: no one factor"
    assert [(tier.above, tier.input, tier.output) for tier in row.tiers] == [(200_000, Decimal("2.5"), 15)]


@pytest.mark.parametrize(
    ("name", "vendor", "provider", "model"),
    [
        ("vertex_ai/claude-opus-4-5", "vertex_ai-anthropic_models", "vertex-anthropic", "claude-opus-4-5"),
        ("gemini-2.5-pro", "vertex_ai-language-models", "vertex", "gemini-2.5-pro"),
        ("volcengine/doubao-seed", "volcengine", "doubao", "doubao-seed"),
        ("deepinfra/Qwen/QwQ-32B", "deepinfra", "deepinfra", "Qwen/QwQ-32B"),
    ],
)
def test_a_row_is_of_the_provider_that_is_known_here(
    name: str, vendor: str, provider: str, model: str
) -> None:
    (row,) = rows({name: {**ENTRY, "litellm_provider": vendor}})
    assert (row.provider, row.models, row.hosted) == (provider, (model,), provider != "doubao")


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "embedding"},
        {"input_cost_per_token": None},
        {"output_cost_per_token": -1},
        {"litellm_provider": 3},
    ],
)
def test_what_has_no_price_of_tokens_is_left_out(changes: dict[str, Any]) -> None:
    assert rows({"m": {**ENTRY, **changes}}) == []


def test_the_noise_of_binary_floats_goes() -> None:
    (row,) = rows({"m": {**ENTRY, "input_cost_per_token": 1.0000000000000001e-07}})
    assert row.input == Decimal("0.1")


def test_a_name_is_no_glob() -> None:
    (row,) = rows({"m[1]*": ENTRY})
    assert row.names("m[1]*")
    assert not row.names("m1x")


def test_merging_keeps_old_prices_and_checks_unchanged_ones_anew() -> None:
    own = rows({"a": ENTRY, "b": ENTRY})
    new = rows({"a": ENTRY, "b": {**ENTRY, "output_cost_per_token": 2e-05}}, LATER)
    kept = [(row.models[0], row.output, row.effective, row.checked) for row in merged(own, new)]
    assert kept == [("a", 10, DAY, LATER), ("b", 10, DAY, DAY), ("b", 20, LATER, LATER)]
    assert merged(merged(own, new), new) == merged(own, new)


@pytest.mark.parametrize("text", ["[1]", "{", '"x"'])
def test_another_file_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as refused:
        rows_from(text, DAY)
    assert refused.value.field == "update"


def test_the_real_list() -> None:
    text = shared("wire/model_reasoning_caps.litellm-1.109.1.json").read_bytes()
    found = rows_from(text, DAY)
    assert len(found) > 500
    o3 = next(row for row in found if row.models == ("o3",))
    assert (o3.cached, o3.flex, o3.priority) == (Decimal("0.5"), Decimal("0.5"), Decimal("1.75"))
    for row in found:
        row.price()
