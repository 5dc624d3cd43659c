# pyright: basic, reportMissingImports=false
# an optional package
"""Validates an answer against a JSON schema: runs in a worker process, since patterns and references may take endless
time. References aren't fetched: a schema has to be complete.
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
from perpend.verifiers.json_answer import BadJSON, parse_json_answer

sys.setrecursionlimit(5000)  # each keyword takes several calls for each level of the answer
_MAX_DEPTH = 100
"""Levels of an answer; below that, endless recursion is the schema's fault."""
_MAX_NAMED = 3
_MAX_CHARS = 300
"""Of each error's message, which may repeat the whole answer."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BY_NAME = ("dependentSchemas", "dependencies")
_COMBINED = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "extends", "disallow", "type", *_BY_NAME)
"""Keykeywords whose subschemas apply to the value itself, not to a part of it."""


def check(gold: str, given: str) -> Verdict:
    """The verdict on an answer. Raises BadRequest for the gold."""
    schema = read_gold(gold)
    try:
        value = parse_json_answer(given)
    except BadJSON as error:
        return Verdict(0.0, False, f"the answer isn't JSON: {error}")
    try:
        errors = sorted(schema.iter_errors(value), key=lambda error: list(map(str, error.absolute_path)))
    except RecursionError:
        if _depth(value) > _MAX_DEPTH:
            return Verdict(0.0, False, f"the answer is nested more than {_MAX_DEPTH} deep")
        raise _bad("its references lead in a circle") from None
    except (Unresolvable, re.error) as error:  # below an unknown keyword
        raise _bad(str(error)) from None
    if not errors:
        return PASSED
    named = [_short(f"{error.json_path}: {error.message}") for error in errors[:_MAX_NAMED]]
    more = f"; and {len(errors) - _MAX_NAMED} more" if len(errors) > _MAX_NAMED else ""
    return Verdict(0.0, False, "; ".join(named) + more)


@lru_cache(maxsize=64)
def read_gold(gold: str) -> Any:
    """The gold as a validator. Raises BadRequest."""
    try:
        schema = msgspec.json.decode(gold, type=dict[str, Any] | bool)
        kind = validator_for(schema)
        kind.check_schema(schema)
        _follow(schema, kind)
    except BadRequest:
        raise
    except RecursionError:
        raise _bad("it's nested too deep") from None
    except Exception as error:  # such as a bad address, or a pattern with too many repeats
        raise _bad(getattr(error, "message", str(error))) from None
    return kind(schema, registry=REGISTRY)


def _follow(schema: Any, kind: Any) -> None:
    """Follow every reference. Raises BadRequest for one that leads nowhere or in a circle."""
    dialect = specification_with(kind.META_SCHEMA["$schema"])
    root = Resource(schema, dialect)
    base = root.id() or ""
    pending = [(root, REGISTRY.with_resource(base, root).resolver(base))]
    same_value: dict[int, list[int]] = {}  # schemas that apply to the same value as each one
    checked = {id(schema)}
    while pending:
        part, resolver = pending.pop()
        if id(part.contents) in same_value:
            continue
        keywords = part.contents if isinstance(part.contents, dict) else {}
        same_value[id(part.contents)] = same = [id(each) for each in _of_the_same_value(keywords)]
        for reference in (keywords[word] for word in _REFERENCES if word in keywords):
            try:
                found = resolver.lookup(reference)
            except Unresolvable:
                raise _bad(f"its reference {reference!r} leads nowhere") from None
            if id(found.contents) not in checked:  # it may stand below an unknown keyword
                kind.check_schema(found.contents)
                checked.add(id(found.contents))
            same.append(id(found.contents))
            pending.append((Resource.from_contents(found.contents, dialect), found.resolver))
        pending.extend((sub, resolver.in_subresource(sub)) for sub in part.subresources())
    if _has_cycle(same_value):
        raise _bad("its references lead in a circle")


def _of_the_same_value(keywords: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for keyword in _COMBINED:
        value = keywords.get(keyword)
        if isinstance(value, dict) and keyword in _BY_NAME:
            value = list(value.values())
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield one


def _has_cycle(edges: dict[int, list[int]]) -> bool:
    """Whether the graph has a cycle, by topological sorting."""
    count = Counter(to for ends in edges.values() for to in ends)
    free = [one for one in edges if not count[one]]
    for one in free:
        for to in edges.get(one, ()):
            count[to] -= 1
            if not count[to]:
                free.append(to)
    return not edges.keys() <= set(free)


def _depth(value: Any) -> int:
    """How deep lists and objects are nested, counted up to `_MAX_DEPTH` + 1."""
    depth, level = 0, [value]
    while level and depth <= _MAX_DEPTH:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


def _short(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"


def _bad(what: str) -> BadRequest:
    return BadRequest(f"the gold isn't a JSON schema: {_short(what)}")
