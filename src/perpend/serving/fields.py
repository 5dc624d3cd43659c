"""Unknown and unsupported request fields: what stock clients send is neither refused nor dropped silently.

Ignored fields are named in the answer's `perpend.ignored`. A misspelt field is an error that names the nearest one. A
value that can't be honoured and would change what the answer means is an error too. `serve.strict_fields` refuses all.
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
"""Ignored fields that an answer names at most."""
_OWN_LIKENESS = 0.75
"""Similarity from which an unknown name counts as a slip of one of Perpend's own: `deadline` of `deadline_ms`."""


_EMPTY_VALUES: tuple[object, ...] = (None, False, 0, "", [])
"""Values of a refused field that are accepted, since they ask for nothing."""
_EMPTY: dict[str, object] = {}


class _Refusal(NamedTuple):
    what: str
    hint: str
    but: object


def refused(what: str = "", hint: str = "leave it out", but: object = _EMPTY) -> Meta:
    """Mark a schema's field as refused, except for the value `but`; see `Ignored.check_fields`.

    `what` describes what isn't supported, `hint` what to do instead.
    """
    return Meta(description="Refused where it says anything.", extra={"refusal": _Refusal(what, hint, but)})


PASSED_OVER = Meta(description="Passed over, and named in `perpend.ignored`.")
PassedOver: TypeAlias = Annotated[Any, PASSED_OVER]
"""Marks a schema's field that is accepted and ignored."""


def not_supported(field: str, what: str = "", hint: str = "leave it out") -> BadRequest:
    """The error for an unsupported `field`; `what` describes it."""
    return BadRequest(f"{what or field} isn't supported", hint=hint, field=field)


def required(value: str | None, field: str) -> str:
    """`value`, which must be present. Raises BadRequest naming `field` where it is absent."""
    if value is None:
        raise missing(field, f"add {field}")
    return value


def missing(field: str, hint: str) -> BadRequest:
    """The error for a required `field` that is absent."""
    return BadRequest(f"{field} is missing", hint=hint, field=field)


class Ignored:
    """Collects the fields of one body that are ignored."""

    __slots__ = ("_named", "_strict")

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._named: dict[str, None] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The paths of the ignored fields, in order."""
        return tuple(self._named)

    def add(self, path: str, what: str | None = None) -> None:
        """Ignore what is at `path`; `what` describes it. Raises BadRequest under `serve.strict_fields`."""
        if self._strict:
            raise BadRequest(
                f"{what or path} isn't supported",
                hint="leave it out, or set serve.strict_fields = false to ignore it",
                field=path,
            )
        if len(self._named) < _MAX_NAMED:
            self._named[path] = None

    def check_fields(self, body: Struct, at: str = "") -> None:
        """Refuse or ignore the fields that the body's schema marks so; `at` is the path in front of their names.

        Raises BadRequest naming the field.
        """
        marked = _marked(type(body))
        if marked is None or (values := marked.values_of(body)) == marked.nothing:
            return
        for (field, refusal), value in zip(marked.fields, values, strict=False):
            if refusal is None:
                if value:
                    self.add(at + field)
            elif value not in (*_EMPTY_VALUES, refusal.but):
                raise not_supported(at + field, refusal.what, refusal.hint)

    def add_unknown(self, path: str) -> None:
        """Ignore an unknown field; in a list's items it is named once, as `messages[].x`. Raises as `add` does."""
        self.add(path if self._strict else _INDEX.sub("[]", path))


class _Marked(NamedTuple):
    """The marked fields of a schema, and one getter of all their values: nearly every request sets none of them."""

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
    names += names[:1]  # attrgetter of one name returns no tuple
    return _Marked(fields, attrgetter(*names), (None,) * len(names)) if fields else None


def misspelt_field(name: str, known: Iterable[str], extensions: Iterable[str] = ()) -> str | None:
    """The known field that an unknown `name` misspells, or None. Names of `extensions` may be less similar."""
    letters = _letters(name)
    most = 2 if len(letters) >= 8 else 1 if len(letters) >= 3 else 0
    # A slip changes a name's length by one letter at most.
    candidates = [field for field in known if abs(len(_letters(field)) - len(letters)) <= most]
    distances = [(slips_between(letters, _letters(field)), field) for field in candidates]
    slips, nearest = min(distances, default=(most + 1, ""))
    if slips <= most:
        return nearest
    close = difflib.get_close_matches(name, list(extensions), 1, _OWN_LIKENESS)
    return close[0] if close else None


@lru_cache(1024)
def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def slips_between(first: str, second: str) -> int:
    """The number of letters to add, drop, change or swap with a neighbour: optimal string alignment distance."""
    before: list[int] = []
    above = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        row = [i]
        for j, b in enumerate(second, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
