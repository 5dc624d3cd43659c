# pyright: basic, reportMissingImports=false
# an optional package
"""What in an answer doesn't keep to a JSON schema, whose patterns and references may take for ever: runs in a worker
process. No reference is fetched: a schema is whole, or it's none.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema.validators import validator_for
from jsonschema_specifications import REGISTRY
from referencing import Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import specification_with

from perpend.errors import BadRequest
from perpend.types import PASSED, Verdict
from perpend.verifiers.json_answer import BadJSON, read

sys.setrecursionlimit(5000)  # a schema's every word takes several calls for each level of the answer
_DEEPEST = 100
"""Levels of an answer up to which it isn't to blame where checking it never comes to an end."""
_SHOWN = 3
_LONGEST = 300
"""Characters of what is said of each error: it may name the whole answer."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BY_NAME = ("dependentSchemas", "dependencies")
_COMBINED = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "extends", "disallow", "type", *_BY_NAME)
"""Words whose schemas hold for the value itself, not for a part of it."""


def check(gold: str, given: str) -> Verdict:
    """Raises BadRequest."""
    schema = read_gold(gold)
    try:
        value = read(given)
    except BadJSON as error:
        return Verdict(0.0, False, f"the answer isn't JSON: {error}")
    try:
        errors = sorted(schema.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    except RecursionError:
        if _depth(value) > _DEEPEST:
            return Verdict(0.0, False, f"the answer is nested more than {_DEEPEST} deep")
        raise _bad("its references lead in a circle") from None
    except (Unresolvable, re.error) as error:  # below a word that no dialect knows
        raise _bad(str(error)) from None
    if not errors:
        return PASSED
    told = [_short(f"{error.json_path}: {error.message}") for error in errors[:_SHOWN]]
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return Verdict(0.0, False, "; ".join(told) + more)


@lru_cache(maxsize=64)
def read_gold(gold: str) -> Any:
    """Raises BadRequest."""
    try:
        schema = msgspec.json.decode(gold, type=dict[str, Any] | bool)
        kind = validator_for(schema)
        kind.check_schema(schema)
        _follow(schema, kind)
    except BadRequest:
        raise
    except RecursionError:
        raise _bad("it's nested too deep") from None
    except Exception as error:  # an address that is none, a pattern with too many repeats …
        raise _bad(getattr(error, "message", str(error))) from None
    return kind(schema, registry=REGISTRY)


def _follow(schema: Any, kind: Any) -> None:
    """Every reference leads to a schema, whether an answer comes by it or not, and never back to where it stands."""
    dialect = specification_with(kind.META_SCHEMA["$schema"])
    root = Resource(schema, dialect)
    place = root.id() or ""
    left = [(root, REGISTRY.with_resource(place, root).resolver(place))]
    beside: dict[int, list[int]] = {}  # schemas that hold for the same value as one does
    checked = {id(schema)}
    while left:
        part, resolver = left.pop()
        if id(part.contents) in beside:
            continue
        words = part.contents if isinstance(part.contents, dict) else {}
        beside[id(part.contents)] = same = [id(each) for each in _of_the_same_value(words)]
        for reference in (words[word] for word in _REFERENCES if word in words):
            try:
                found = resolver.lookup(reference)
            except Unresolvable:
                raise _bad(f"its reference {reference!r} leads nowhere") from None
            if id(found.contents) not in checked:  # it may stand below a word that no dialect knows
                kind.check_schema(found.contents)
                checked.add(id(found.contents))
            same.append(id(found.contents))
            left.append((Resource.from_contents(found.contents, dialect), found.resolver))
        left.extend((sub, resolver.in_subresource(sub)) for sub in part.subresources())
    if _leads_back(beside):
        raise _bad("its references lead in a circle")


def _of_the_same_value(words: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for word in _COMBINED:
        value = words.get(word)
        if isinstance(value, dict) and word in _BY_NAME:
            value = list(value.values())
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield one


def _leads_back(edges: dict[int, list[int]]) -> bool:
    """Whether some way ends where it began: what nothing leads to is taken away until nothing is left."""
    count = Counter(to for ends in edges.values() for to in ends)
    free = [one for one in edges if not count[one]]
    for one in free:
        for to in edges.get(one, ()):
            count[to] -= 1
            if not count[to]:
                free.append(to)
    return not edges.keys() <= set(free)


def _depth(value: Any) -> int:
    """Of lists and objects in each other, down to where it doesn't matter any more."""
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _bad(what: str) -> BadRequest:
    return BadRequest(f"the gold isn't a JSON schema: {_short(what)}")
