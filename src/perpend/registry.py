"""How an extension registers: by a decorator, or by an entry point of its package.

    strategies: Registry[Strategy] = Registry("strategy")

    @strategies.register("single")
    async def single(session): ...

A package of its own declares `[project.entry-points."perpend.strategy"] name = "module:object"`.
"""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

import msgspec

from perpend.errors import BadRequest

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name` (difflib, cutoff 0.6); None: none is near."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def choices_hint(name: str, known: Iterable[str], label: str = "known") -> str:
    """The hint for an unknown name: the nearest one, if any, and all of them after `label`."""
    names = list(known)
    close = nearest(name, names)
    meant = f"did you mean {close!r}? " if close else ""
    return f"{meant}{label}: {', '.join(names) or 'none'}"


@cache
def options_of(item: Callable[..., object]) -> dict[str, Any]:
    """An item's options and their types: its keyword-only parameters."""
    parameters = inspect.signature(item, eval_str=True).parameters.values()
    return {each.name: each.annotation for each in parameters if each.kind is each.KEYWORD_ONLY}


@cache
def required_options(item: Callable[..., object]) -> tuple[str, ...]:
    """An item's options that have no default."""
    parameters = inspect.signature(item).parameters.values()
    return tuple(
        each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty
    )


def checked_options(item: Callable[..., object], given: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The options that a client gave, converted. Raises BadRequest naming an unknown, wrong or missing one."""
    accepted = options_of(item)
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in accepted:
            hint = choices_hint(name, accepted, "its options")
            raise BadRequest(f"{field} has no option {name!r}", hint=hint, field=f"{field}.{name}")
        try:
            checked[name] = msgspec.convert(value, accepted[name], strict=True)
        except msgspec.ValidationError as error:
            raise BadRequest(f"{field}.{name}: {error}", field=f"{field}.{name}") from None
    for name in required_options(item):
        if name not in given:
            hint = f'{{"name": …, "{name}": …}}'
            raise BadRequest(f"{field} needs the option {name!r}", hint=hint, field=f"{field}.{name}")
    return checked


class Registry(Generic[T]):
    """Named items of one kind. Entry points are loaded at the first unknown name, so start-up stays fast."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that adds an item. Raises ValueError where the name is taken."""

        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def get(self, name: str, *, field: str | None = None) -> T:
        """The item. Raises BadRequest that names `field` and the nearest item."""
        if name not in self._items:
            self._discover()
        try:
            return self._items[name]
        except KeyError:
            hint = choices_hint(name, sorted(self._items))
            raise BadRequest(f"unknown {self.kind} {name!r}", hint=hint, field=field) from None

    def names(self) -> list[str]:
        """All names, sorted; loads the entry points."""
        self._discover()
        return sorted(self._items)

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        for point in entry_points(group=f"perpend.{self.kind}"):
            self._items.setdefault(point.name, point.load())
