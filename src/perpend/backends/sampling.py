"""A call's sampling under the names of its wire; a field that has none there is reported, never dropped silently.

A wire has a table of its names for the fields of `Sampling`. A provider's `fields` go before it. What a model's family
refuses is left out, so that the call doesn't fail for it.
"""

from collections.abc import Container, Mapping
from typing import NamedTuple

import msgspec

from perpend.backends.body import Body, JSONObject
from perpend.backends.contract import Call
from perpend.families.family import Family
from perpend.providers.provider import Provider

Words = Mapping[str, str]
"""From a field of `Sampling` to the wire's name for it. One that isn't there can't be said on that wire."""

NO_PROVIDER = Provider(name="")


def refused_always(family: Family) -> tuple[str, ...]:
    """Who takes no temperature takes no top_p either."""
    return (*family.rejects, "top_p") if family.sampling_fixed else family.rejects


class Drawing(NamedTuple):
    fields: Body
    """Of the request's body."""
    left_out: tuple[str, ...]
    """Fields of `Sampling` that were asked for and aren't sent."""


def drawing(
    call: Call, words: Words, provider: Provider = NO_PROVIDER, *, refused: Container[str] = ()
) -> Drawing:
    """`refused`: fields that this model doesn't take now."""
    asked: JSONObject = msgspec.to_builtins(call.sampling)
    if not asked:
        return Drawing({}, ())
    fields: Body = {}
    left_out: list[str] = []
    for field, value in asked.items():
        word = "" if field in refused else provider.fields.get(field, words.get(field, ""))
        if word:
            fields[word] = value
        else:
            left_out.append(field)
    return Drawing(fields, tuple(left_out))
