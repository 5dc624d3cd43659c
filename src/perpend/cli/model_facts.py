"""What `perpend models show` tells: weights, family, price and provider of a model, with the source of each fact."""

from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec

from perpend.accounting.price_list import price_list
from perpend.backends.families import Family, families, family_named, family_of
from perpend.backends.providers import providers
from perpend.config.schema import EMBEDDED, Config, ModelConfig
from perpend.engine.catalogue import Weights, catalogue, find

_ANY = "generic"
_ALWAYS = ("can_disable", "rejects")
_UNSET: tuple[object, ...] = (None, "", (), [], {}, 0, "chatml", "max_tokens", True)
"""Not worth a line."""


def facts_of(name: str, config: Config, home: Path) -> dict[str, Any]:
    """Raises NotFound where nothing is known under that name."""
    row = _configured(name, config)
    upstream = row.name or name.removeprefix(f"{row.provider}/") if row else name
    weights = catalogue().get(name) or (find(name) if _unknown(upstream, row, home) else None)
    family = _family(name if weights else upstream, row, weights)
    price = None if row is None and weights else price_list(home).row(upstream, row.provider if row else None)
    facts: dict[str, Any] = {"name": name}
    if weights is not None:
        facts |= weights_facts(weights, home)
    facts["family"] = family.name
    facts["thinks"] = _plain(family)
    facts["price"] = _plain(row.price if row and row.price else price)
    if row is not None and row.provider != EMBEDDED:
        facts["provider"] = _provider(row.provider, config)
    return facts


def weights_facts(weights: Weights, home: Path) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(weights)
    return {**row, "pulled": weights.pulled(home), "path": str(weights.path(home))}


def print_facts(facts: dict[str, Any]) -> None:
    """For people: a line for each fact, those of a row under its name; what isn't set is left out."""
    for key, value in facts.items():
        if isinstance(value, dict):
            rows = cast("dict[str, Any]", value)
            print(f"\n{key}")
            for name, fact in rows.items():
                if name in _ALWAYS or fact not in _UNSET:
                    print(f"  {name:16} {_text(fact)}")
        elif key == "sources":
            print(f"{key:10} {', else '.join(source.label for source in find(facts['name']).sources)}")
        elif value is not None:
            print(f"{key:10} {_text(value)}")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return ", ".join(f"{key} {_text(fact)}" for key, fact in pairs.items() if fact not in ("", [], None))
    if isinstance(value, list | tuple):
        items = cast("list[Any] | tuple[Any, ...]", value)
        return ", ".join(_text(item) for item in items)
    return repr(value)[1:-1] if isinstance(value, str) and "\n" in value else str(value)


def _configured(name: str, config: Config) -> ModelConfig | None:
    if name in config.models:
        return config.models[name]
    provider, _, upstream = name.partition("/")
    if upstream and (provider in config.providers or provider in providers()):
        return ModelConfig(provider=provider, name=upstream)
    return None


def _unknown(upstream: str, row: ModelConfig | None, home: Path) -> bool:
    """No row names it but the one for any model: probably a slip of the pen."""
    return row is None and family_of(upstream).name == _ANY and price_list(home).row(upstream) is None


def _family(name: str, row: ModelConfig | None, weights: Weights | None) -> Family:
    if row is not None and row.family:
        return family_named(row.family)
    return families()[weights.family] if weights is not None else family_of(name)


def _provider(name: str, config: Config) -> dict[str, Any]:
    row = _plain(providers()[name]) if name in providers() else {"name": name}
    own = config.providers.get(name)
    return row if own is None else {**row, "base_url": own.base_url, "wire": own.wire}


def _plain(row: msgspec.Struct | None) -> Any:
    return None if row is None else msgspec.to_builtins(row, builtin_types=(Decimal,))
