"""How an extension joins: a decorator here, or an entry point in somebody else's package.

    strategies: Registry[Strategy] = Registry("strategy")

    @strategies.register("single")
    async def single(session): ...

A package of its own declares `[project.entry-points."perpend.strategy"] name = "module:object"`.
"""

import difflib
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from perpend.errors import BadRequest

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def choices_hint(name: str, known: Iterable[str], label: str = "known") -> str:
    """What to do about a wrong name: the nearest one where there is one, and all of them."""
    names = list(known)
    close = nearest(name, names)
    meant = f"did you mean {close!r}? " if close else ""
    return f"{meant}{label}: {', '.join(names) or 'none'}"


class Registry(Generic[T]):
    """Named items of one kind; entry points are read at the first miss, so start-up stays cheap."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def get(self, name: str, *, field: str | None = None) -> T:
        """The item, or BadRequest naming the nearest one and `field`."""
        if name not in self._items:
            self._discover()
        try:
            return self._items[name]
        except KeyError:
            hint = choices_hint(name, sorted(self._items))
            raise BadRequest(f"unknown {self.kind} {name!r}", hint=hint, field=field) from None

    def names(self) -> list[str]:
        self._discover()
        return sorted(self._items)

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        for point in entry_points(group=f"perpend.{self.kind}"):
            self._items.setdefault(point.name, point.load())
