"""Strategies and verifiers with their options, from their registries."""

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from generators.markdown import NOTE, code, prose, table
from generators.types_written import default_written, type_written

from perpend.registry import Registry, options_of
from perpend.strategies import strategies
from perpend.verifiers import Verifier, verifiers


def strategies_page() -> str:
    intro = (
        'A request names one as `"strategy": "NAME"`, or with options as `{"name": "NAME", "OPTION": …}`.\n'
        "When to use which: [the guide](../guides/strategies.md).\n"
    )
    return f"# Strategies\n\n{NOTE}{intro}\n" + "\n".join(_items(strategies))


def verifiers_page() -> str:
    intro = (
        'A request names one as `"verifier": {"name": "NAME", "gold": …, "OPTION": …}`.\n'
        "What each accepts, and how far to trust it: [the guide](../guides/verifiers.md).\n"
    )
    return f"# Verifiers\n\n{NOTE}{intro}\n" + "\n".join(_items(verifiers))


def _items(registry: Registry[Any]) -> Iterator[str]:
    for name in registry.names():
        item = registry.get(name)
        told = [_module_doc(registry, item), inspect.getdoc(item)]
        if isinstance(item, type):
            told += [*_needs(item), inspect.getdoc(item.__init__) if options_of(item) else None]
        text = "\n\n".join(prose(one) for one in told if one)
        yield f"## {name}\n\n{text}\n\n{_options(item)}"


def _module_doc(registry: Registry[Any], item: Any) -> str | None:
    """What its module says, where it's the only one there."""
    of_module = [name for name in registry.names() if registry.get(name).__module__ == item.__module__]
    return inspect.getdoc(sys.modules[item.__module__]) if len(of_module) == 1 else None


def _needs(verifier: type[Verifier]) -> Iterator[str]:
    said = {
        "needs a gold": verifier.needs_gold,
        "asks a model": verifier.needs_model,
        "rates thoughts without an answer": verifier.rates_thoughts,
    }
    if held := [words for words, holds in said.items() if holds]:
        yield f"It {', '.join(held)}."


def _options(item: Callable[..., object]) -> str:
    parameters = inspect.signature(item).parameters
    rows = [
        (code(name), type_written(shape), default_written(parameters[name].default))
        for name, shape in options_of(item).items()
    ]
    return table(("option", "type", "default"), rows) if rows else "It has no options.\n"
