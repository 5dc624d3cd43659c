"""The one rule for fields that a request has and this house doesn't: nothing that a stock client sends is refused, and
nothing is dropped silently.

What is passed over is named in the answer's `perpend.ignored`. A misspelt field is an error that says what was meant,
and so is a value that can't be honoured and would change what the answer means. `serve.strict_fields` refuses all.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from operator import attrgetter

from msgspec import Struct

from perpend.errors import BadRequest

_INDEX = re.compile(r"\[\d+\]")
_MOST_NAMED = 64
"""Fields that an answer names at most."""
_OWN_LIKENESS = 0.75
"""Of a name to one of Perpend's own, from which on that one was meant: `deadline` is `deadline_ms`."""


class Ignored:
    """What of one body is passed over."""

    __slots__ = ("_named", "_strict")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._named: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._named)

    def add(self, path: str, what: str | None = None) -> None:
        """Pass over what is at `path`; `what` says it in words. Raises BadRequest under `serve.strict_fields`."""
        if self._strict:
            raise BadRequest(
                f"{what or path} isn't supported",
                hint="leave it out, or pass it over with serve.strict_fields = false",
                field=path,
            )
        if len(self._named) < _MOST_NAMED:
            self._named[path] = None

    def unused(self, asked: Struct, fields: tuple[str, ...]) -> None:
        """Pass over those of these fields, two or more, that say anything."""
        values = _getter(fields)(asked)  # for each request, and nearly always of nothing
        if any(values):
            for field, value in zip(fields, values, strict=True):
                if value:
                    self.add(field)

    def unknown(self, path: str) -> None:
        """Pass over a field that nobody here knows; its like in a list's other items is named once, `messages[].x`."""
        self.add(path if self._strict else _INDEX.sub("[]", path))


@cache
def _getter(fields: tuple[str, ...]) -> Callable[[Struct], tuple[object, ...]]:
    return attrgetter(*fields)


def meant(name: str, known: Iterable[str], own: Iterable[str] = ()) -> str | None:
    """The field that an unknown `name` misspells, where it does; `own` ones are meant from further off."""
    plain = _plain(name)
    slips = 2 if len(plain) >= 8 else 1 if len(plain) >= 3 else 0
    # A slip makes a name longer or shorter by a letter at most.
    alike = [field for field in known if abs(len(_plain(field)) - len(plain)) <= slips]
    near = [(slips_between(plain, _plain(field)), field) for field in alike]
    best = min(near, default=(slips + 1, ""))
    if best[0] <= slips:
        return best[1]
    close = difflib.get_close_matches(name, list(own), 1, _OWN_LIKENESS)
    return close[0] if close else None


@lru_cache(1024)
def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def slips_between(one: str, other: str) -> int:
    """Letters to add, drop, change or swap with their neighbour (optimal string alignment)."""
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, its in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != its))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == its:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
