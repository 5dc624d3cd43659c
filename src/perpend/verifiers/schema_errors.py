# pyright: basic, reportMissingImports=false
# an optional package
"""What in an answer doesn't keep to a JSON schema, whose patterns and references may take for ever: runs in a worker
process. No reference is fetched: a schema is whole, or it's none.
"""

import re
import sys
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
from perpend.verifiers.fenced import BadJSON, read

sys.setrecursionlimit(5000)  # a schema's every word takes several calls for each level of the answer
_DEEPEST = 100
"""Levels of an answer up to which it isn't to blame where checking it never comes to an end."""
_SHOWN = 3
_LONGEST = 300
"""Characters of what is said of each error: it may name the whole answer."""
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def check(gold: str, given: str) -> Verdict:
    """Raises BadRequest."""
    schema = _validator(gold)
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
def _validator(gold: str) -> Any:
    try:
        schema = msgspec.json.decode(gold, type=dict[str, Any] | bool)
        kind = validator_for(schema)
        kind.check_schema(schema)
        _resolve(Resource(schema, specification_with(kind.META_SCHEMA["$schema"])))
    except BadRequest:
        raise
    except RecursionError:
        raise _bad("it's nested too deep") from None
    except Exception as error:  # an address that is none, a pattern with too many repeats …
        raise _bad(getattr(error, "message", str(error))) from None
    return kind(schema, registry=REGISTRY)


def _resolve(root: Any) -> None:
    """Every reference leads somewhere, whether an answer comes by it or not."""
    place = root.id() or ""
    left = [(root, REGISTRY.with_resource(place, root).resolver(place))]
    while left:
        part, resolver = left.pop()
        words = part.contents if isinstance(part.contents, dict) else {}
        for reference in (words[word] for word in _REFERENCES if word in words):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                raise _bad(f"its reference {reference!r} leads nowhere") from None
        left.extend((sub, resolver.in_subresource(sub)) for sub in part.subresources())


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
