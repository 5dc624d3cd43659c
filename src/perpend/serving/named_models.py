"""The models that a request names, wherever it names them."""

from collections.abc import Iterator
from typing import Any, cast

from perpend.types import Request


def models_named(request: Request) -> Iterator[str]:
    """The models of a request, its verifiers and its strategy."""
    if request.model is not None:
        yield request.model
    for verifier in (request.verifier, request.strategy.verifier):
        if verifier is not None and isinstance(model := verifier.options.get("model"), str):
            yield model
    yield from _models_in(request.strategy.options)


def _models_in(options: dict[str, Any]) -> Iterator[str]:
    """The models in a strategy's options and in those of nested strategies; `strategy_spec` bounds the depth."""
    for name, value in options.items():
        if name in ("model", "models"):
            yield from _texts(value)
        elif isinstance(value, dict):
            yield from _models_in(cast("dict[str, Any]", value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _texts(item)
