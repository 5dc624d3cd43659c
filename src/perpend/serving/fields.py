"""The rule for fields that a request has and nobody here knows: nothing that a stock client sends is refused, and
nothing is dropped silently.

What is passed over is named in the answer's `perpend.ignored`. A misspelt field is an error that says what was meant,
and so is a value that can't be honoured and would change what the answer means. `serve.strict_fields` refuses all.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, NamedTuple, TypeAlias, get_type_hints

from msgspec import Meta, Struct

from perpend.errors import BadRequest

_INDEX = re.compile(r"\[\d+\]")
_MAX_NAMED = 64
"""Fields that an answer names at most."""
_OWN_LIKENESS = 0.75
"""Of a name to one of Perpend's own, from which on that one was meant: `deadline` is `deadline_ms`."""


_SAYS_NOTHING: tuple[object, ...] = (None, False, 0, "", [])
"""Values of a refused field that ask for nothing."""
_EMPTY: dict[str, object] = {}


class _Refusal(NamedTuple):
    what: str
    hint: str
    but: object


def refused(what: str = "", hint: str = "leave it out", but: object = _EMPTY) -> Meta:
    """Marks a schema's field that is a 400 where it says anything other than `but`; see `Ignored.settle`.

    `what` says in words what isn't supported, `hint` what to do.
    """
    return Meta(description="Refused where it says anything.", extra={"refusal": _Refusal(what, hint, but)})


PASSED_OVER = Meta(description="Passed over, and named in `perpend.ignored`.")
PassedOver: TypeAlias = Annotated[Any, PASSED_OVER]
"""Marks a schema's field that is taken from any client and does nothing."""


def not_supported(field: str, what: str = "", hint: str = "leave it out") -> BadRequest:
    """The error for what is at `field`; `what` says it in words."""
    return BadRequest(f"{what or field} isn't supported", hint=hint, field=field)


def required(value: str | None, field: str) -> str:
    """`value`, which has to be there. Raises BadRequest where it isn't."""
    if value is None:
        raise missing(field, f"add {field}")
    return value


def missing(field: str, hint: str) -> BadRequest:
    """The error for a `field` that has to be there."""
    return BadRequest(f"{field} is missing", hint=hint, field=field)


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
        if len(self._named) < _MAX_NAMED:
            self._named[path] = None

    def check_fields(self, body: Struct, at: str = "") -> None:
        """Refuse or pass over what a body says in fields that its schema marks so; `at` goes before their names.

        Raises BadRequest naming the field.
        """
        marked = _marked(type(body))
        if marked is None or (values := marked.values_of(body)) == marked.nothing:
            return
        for (field, refusal), value in zip(marked.fields, values, strict=False):
            if refusal is None:
                if value:
                    self.add(at + field)
            elif value not in (*_SAYS_NOTHING, refusal.but):
                raise not_supported(at + field, refusal.what, refusal.hint)

    def unknown(self, path: str) -> None:
        """Pass over a field that nobody here knows; its like in a list's other items is named once, `messages[].x`."""
        self.add(path if self._strict else _INDEX.sub("[]", path))


class _Marked(NamedTuple):
    """The marked fields of a schema, and one look at all of them: for each request, and nearly always of nothing."""

    fields: list[tuple[str, _Refusal | None]]
    values_of: Callable[[Struct], tuple[object, ...]]
    nothing: tuple[None, ...]


@cache
def _marked(schema: type[Struct]) -> _Marked | None:
    fields: list[tuple[str, _Refusal | None]] = []
    for name, kind in get_type_hints(schema, include_extras=True).items():
        for mark in getattr(kind, "__metadata__", ()):
            if mark is PASSED_OVER:
                fields.append((name, None))
            elif isinstance(mark, Meta) and mark.extra and "refusal" in mark.extra:
                fields.append((name, mark.extra["refusal"]))
    names = [name for name, _ in fields] or [""]
    names += names[:1]  # a getter of one name gives no tuple
    return _Marked(fields, attrgetter(*names), (None,) * len(names)) if fields else None


def misspelt_field(name: str, known: Iterable[str], extensions: Iterable[str] = ()) -> str | None:
    """The field that an unknown `name` misspells; `extensions` are meant from further off. None: it misspells none."""
    plain = _plain(name)
    slips = 2 if len(plain) >= 8 else 1 if len(plain) >= 3 else 0
    # A slip makes a name longer or shorter by a letter at most.
    alike = [field for field in known if abs(len(_plain(field)) - len(plain)) <= slips]
    near = [(slips_between(plain, _plain(field)), field) for field in alike]
    best = min(near, default=(slips + 1, ""))
    if best[0] <= slips:
        return best[1]
    close = difflib.get_close_matches(name, list(extensions), 1, _OWN_LIKENESS)
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
