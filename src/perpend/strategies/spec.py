"""What a client says of a strategy: a name, or an object with its options, which may be strategies again."""

from typing import Any, cast

from perpend.errors import BadRequest
from perpend.registry import checked_options, options_of
from perpend.strategies.contract import Strategy, strategies
from perpend.types import StrategySpec
from perpend.verifiers import verifier_spec

_DEPTH = 8
"""How deep the options may nest."""


def strategy_spec(value: object, field: str = "strategy", depth: int = _DEPTH) -> StrategySpec:
    """From `"single"` or `{"name": "best_of_n", "n": 8, "verifier": "math"}`. Raises BadRequest."""
    if isinstance(value, StrategySpec):
        return value
    if isinstance(value, str):
        return StrategySpec(value)
    options = dict(cast("dict[str, Any]", value)) if isinstance(value, dict) else {}
    if _deeper_than(depth, options):
        raise BadRequest("strategy is nested too deep", hint=f"at most {depth} levels", field=field)
    name = options.pop("name", None)
    if not isinstance(name, str):
        raise BadRequest(f"{field}.name is missing", hint='such as {"name": "single"}', field=f"{field}.name")
    verifier = options.pop("verifier", None)
    shown = options.pop("stream_candidate", "chosen")
    if shown not in ("chosen", "first"):
        where = f"{field}.stream_candidate"
        raise BadRequest(f"unknown {where} {shown!r}", hint="chosen or first", field=where)
    checked = None if verifier is None else verifier_spec(verifier, f"{field}.verifier")
    return StrategySpec(name, options, checked, shown)


def with_options(spec: StrategySpec, field: str = "strategy") -> tuple[Strategy, dict[str, Any]]:
    """The strategy and its checked options, those of strategies inside it too; BadRequest names the wrong one."""
    strategy = strategies.get(spec.name, field=field)
    if not spec.options:
        return strategy, checked_options(strategy, spec.options, field)
    inner: dict[str, StrategySpec] = {}
    for name, kind in options_of(strategy).items():
        if kind is StrategySpec and name in spec.options:
            inner[name] = strategy_spec(spec.options[name], f"{field}.{name}")
            with_options(inner[name], f"{field}.{name}")
    plain = {name: value for name, value in spec.options.items() if name not in inner}
    return strategy, {**checked_options(strategy, plain, field), **inner}


def _deeper_than(levels: int, value: object) -> bool:
    if isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).values())
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    else:
        return False
    return levels == 0 or any(_deeper_than(levels - 1, one) for one in inner)
