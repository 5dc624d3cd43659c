"""LiteLLM's public list of prices (model_prices_and_context_window.json, MIT) as rows of our own.

The list isn't dated and nobody vouches for it: a row taken from it says so in its `source`.
"""

import json
import re
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, cast

from msgspec.structs import replace

from perpend.accounting.price_list import PriceRow, Tier
from perpend.accounting.prices import MAX_PLACES
from perpend.errors import BadRequest

SOURCE = "LiteLLM's public list (unverified)"
_MILLION = Decimal(1_000_000)
_MODES = (None, "chat", "completion", "responses")
_PROVIDERS = {
    "gemini": "google",
    "dashscope": "qwen",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "nvidia_nim": "nvidia",
    "bedrock_converse": "bedrock",
    "vertex_ai-language-models": "vertex",
    "vertex_ai-anthropic_models": "vertex-anthropic",
    "volcengine": "doubao",
}
_MAKERS = (
    *("openai", "anthropic", "google", "xai", "deepseek", "mistral"),
    *("qwen", "moonshot", "zai", "minimax", "cohere", "perplexity", "doubao"),
)
_TIER = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")


def rows_from(text: str | bytes, on: date) -> list[PriceRow]:
    """Rows for what generates text and has a price, effective and checked `on` that day.

    Raises BadRequest where the text isn't such a list.
    """
    try:
        entries: Any = json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except ValueError as error:
        raise BadRequest(f"this isn't JSON: {error}", field="update") from error
    if not isinstance(entries, dict):
        raise BadRequest(
            "this isn't LiteLLM's price list",
            hint="an object from model names to their prices is expected",
            field="update",
        )
    named = cast("dict[str, Any]", entries)
    rows = [
        _row(name, cast("dict[str, Any]", entry), on)
        for name, entry in named.items()
        if isinstance(entry, dict)
    ]
    return [row for row in rows if row is not None]


def merged(own: Iterable[PriceRow], new: Iterable[PriceRow]) -> list[PriceRow]:
    """Old rows stay; a changed price is a row more, an unchanged one is checked anew."""
    rows = list(own)
    latest = {(row.provider, row.models): index for index, row in enumerate(rows)}
    for row in new:
        index = latest.get((row.provider, row.models))
        if index is not None and replace(row, effective=rows[index].effective) == replace(
            rows[index], checked=row.checked
        ):
            rows[index] = replace(rows[index], checked=row.checked)
        elif index is not None and rows[index].effective == row.effective:
            rows[index] = row
        else:
            rows.append(row)
    return rows


def _row(name: str, entry: dict[str, Any], on: date) -> PriceRow | None:
    prices = {key: _per_million(value) for key, value in entry.items() if "cost" in key}
    input_, output = prices.get("input_cost_per_token"), prices.get("output_cost_per_token")
    vendor = entry.get("litellm_provider")
    if input_ is None or output is None or not isinstance(vendor, str) or entry.get("mode") not in _MODES:
        return None
    provider = _PROVIDERS.get(vendor, vendor)
    return PriceRow(
        provider=provider,
        models=(_literal(name.removeprefix(f"{vendor}/").removeprefix(f"{vendor.partition('-')[0]}/")),),
        effective=on,
        source=SOURCE,
        checked=on,
        input=input_,
        cached=prices.get("cache_read_input_token_cost"),
        cache_write=prices.get("cache_creation_input_token_cost"),
        output=output,
        thinking=prices.get("output_cost_per_reasoning_token"),
        batch=_factor(prices, "batches"),
        flex=_factor(prices, "flex"),
        priority=_factor(prices, "priority"),
        tiers=_tiers(prices),
        hosted=provider not in _MAKERS,
    )


def _per_million(value: Any) -> Decimal | None:
    """Binary floats have left their noise in the list: rounded to what a price can have."""
    if not isinstance(value, Decimal) or not value.is_finite() or value < 0:
        return None
    return round(value * _MILLION, MAX_PLACES).normalize() + 0


def _factor(prices: dict[str, Decimal | None], service: str) -> Decimal | None:
    """A service's factor, where it's one and the same for input and output, and exact."""
    factors: set[Decimal] = set()
    for kind in ("input", "output"):
        base, own = prices.get(f"{kind}_cost_per_token"), prices.get(f"{kind}_cost_per_token_{service}")
        if not base or own is None:
            return None
        factor = (own / base).normalize()
        if factor * base != own:
            return None
        factors.add(factor)
    return factors.pop() if len(factors) == 1 else None


def _tiers(prices: dict[str, Decimal | None]) -> tuple[Tier, ...]:
    tiers: list[Tier] = []
    for key, input_ in prices.items():
        found = _TIER.fullmatch(key)
        if found is None or input_ is None:
            continue
        end = f"above_{found[1]}k_tokens"
        output = prices.get(f"output_cost_per_token_{end}")
        if output is not None:
            cached = prices.get(f"cache_read_input_token_cost_{end}")
            tiers.append(Tier(above=int(found[1]) * 1000, input=input_, cached=cached, output=output))
    return tuple(tiers)


def _literal(name: str) -> str:
    """A name in which nothing is a glob."""
    return re.sub(r"([*?\[])", r"[\1]", name)
