"""The facts of `perpend models show`: weights, family, price, provider and curve of a model, each with its source."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from perpend.accounting.curves import Curve, curve_of
from perpend.accounting.price_list import price_list
from perpend.backends.accounts import seller_of
from perpend.config.schema import EMBEDDED, Config, ModelConfig, PriceConfig
from perpend.engine.catalogue import Weights, catalogue
from perpend.engine.gguf import ModelFacts, read_facts
from perpend.engine.hub import PREFIX, named
from perpend.engine.machine import ram_for
from perpend.errors import EngineError, NotFound
from perpend.families.family import Family, families, family_named, family_of
from perpend.providers.provider import provider_in, providers
from perpend.registry import choices_hint, nearest

_ANY = "generic"
_HEADER = ("architecture", "layers", "context", "kv_bytes_per_token")
_ALWAYS_SHOWN = ("can_disable", "rejects")
_UNSET: tuple[object, ...] = (None, "", (), [], {}, 0, "chatml", "max_tokens", True)
"""Values that count as not set, and are left out."""


def facts_of(name: str, config: Config, home: Path) -> dict[str, Any]:
    """All facts of a model. Raises NotFound for an unknown name, ConfigError where its curve can't be read."""
    weights = named(name) if name.startswith(PREFIX) else catalogue().get(name)
    row = None if name.startswith(PREFIX) else _configured(name, config)
    upstream = row.name or name.removeprefix(f"{row.provider}/") if row else name
    if weights is None and _is_unknown(upstream, row, home):
        raise _not_found(name, config, home)
    family = _family(name if weights else upstream, row, weights)
    embedded = weights is not None if row is None else row.embedded
    provider_name = row.all_deployments[0].provider if row else None
    seller = provider_name and seller_of(provider_name, config.providers.get(provider_name))
    price = None if embedded else price_list(home).row(upstream, seller)
    facts: dict[str, Any] = {"name": name}
    if weights is not None:
        facts |= weights_facts(weights, home)
    facts["family"] = family.name
    facts["thinks"] = _builtins(family)
    facts["price"] = _builtins(row.price if row and row.price else PriceConfig() if embedded else price)
    provider = provider_name or (price.provider if price else EMBEDDED)
    if provider in config.providers or provider in providers():
        facts["provider"] = _provider(provider, config)
    curve = curve_of(home, name)
    facts["curve"] = None if curve is None else _curve(curve)
    return facts


def _curve(curve: Curve) -> dict[str, Any]:
    most = curve.points[-1].budget
    return {
        "accuracy": {str(point.budget): round(point.accuracy.estimate, 3) for point in curve.points},
        "steps": curve.steps(most),
        "dip": curve.dip,
        "problems": curve.problems,
        "suite": curve.source.suite,
        "measured": curve.source.measured,
        "data": curve.data,
    }


def weights_facts(weights: Weights, home: Path) -> dict[str, Any]:
    """The facts of weights; `size` and `ram` in bytes."""
    path, here = weights.path(home), weights.pulled(home)
    facts = weights.facts if weights.layers or not here else _header(path) or weights.facts
    header = {name: getattr(facts, name) for name in _HEADER}
    size = path.stat().st_size if here else weights.size
    ram = ram_for(replace(facts, weights=size)) if facts.layers else None
    return {
        **msgspec.to_builtins(weights),
        **header,
        "size": size,
        "ram": ram,
        "pulled": here,
        "path": str(path),
    }


def _header(path: Path) -> ModelFacts | None:
    try:
        return read_facts(path)
    except EngineError:
        return None


def print_facts(facts: dict[str, Any]) -> None:
    """Print facts as text: a line for each, those of a row under its name, without those that aren't set."""
    for key, value in facts.items():
        if isinstance(value, dict):
            rows = cast("dict[str, Any]", value)
            print(f"\n{key}")
            for name, fact in rows.items():
                if name in _ALWAYS_SHOWN or fact not in _UNSET:
                    print(f"  {name:16} {_text(fact)}")
        elif key == "sources":
            print(f"{key:10} {', else '.join(source.label for source in named(facts['name']).sources)}")
        elif value is not None:
            print(f"{key:10} {_text(value)}")
        elif key == "price":
            print("\nprice      unknown")
        elif key == "curve":
            print("\ncurve      none: `perpend eval curve` measures what less thinking costs under load")


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
    if (found := provider_in(name, config.providers)) is not None:
        return ModelConfig(provider=found[0], name=found[1])
    provider, _, upstream = name.partition("/")
    if not upstream:
        return None
    name_hint = f"; or {name.rpartition('/')[2]!r} alone, for what its maker says"
    hint = choices_hint(provider, (*config.providers, *providers())) + name_hint
    raise NotFound(f"unknown provider {provider!r}", hint=hint, field="name")


def _not_found(name: str, config: Config, home: Path) -> NotFound:
    globs = [glob for family in families().values() for glob in family.match]
    globs += [glob for rows in price_list(home).lists for row in rows for glob in row.models]
    names = [*config.models, *catalogue(), *(glob for glob in globs if not re.search(r"[*?\[]", glob))]
    nearest_name = nearest(name, names)
    suggestion = f"did you mean {nearest_name!r}? " if nearest_name else ""
    return NotFound(
        f"nothing is known of {name!r}: no family, price or weights have that name",
        hint=f"{suggestion}`perpend models list` has the weights, PROVIDER/MODEL names what a provider serves",
        field="name",
    )


def _is_unknown(upstream: str, row: ModelConfig | None, home: Path) -> bool:
    """Whether only the generic family matches, and no price does: probably a misspelt name."""
    return row is None and family_of(upstream).name == _ANY and price_list(home).row(upstream) is None


def _family(name: str, row: ModelConfig | None, weights: Weights | None) -> Family:
    if row is not None and row.family:
        return family_named(row.family)
    if weights is None:
        return family_of(name)
    if weights.family:
        return families()[weights.family]
    found = family_of(Path(weights.file).name)
    return found if found.budget == "exact" else family_named("gguf")


def _provider(name: str, config: Config) -> dict[str, Any]:
    row = _builtins(providers()[name]) if name in providers() else {"name": name}
    own = config.providers.get(name)
    return row if own is None else {**row, "base_url": own.base_url, "wire": own.wire}


def _builtins(row: msgspec.Struct | None) -> Any:
    return None if row is None else msgspec.to_builtins(row, builtin_types=(Decimal,))
