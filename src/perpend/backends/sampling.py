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

FieldNames = Mapping[str, str]
"""From a field of `Sampling` to the wire's name for it. One that isn't there can't be said on that wire."""

NO_PROVIDER = Provider(name="")


def refused_always(family: Family) -> tuple[str, ...]:
    """Who takes no temperature takes no top_p either."""
    return (*family.rejects, "top_p") if family.sampling_fixed else family.rejects


class SamplingFields(NamedTuple):
    fields: Body
    """Of the request's body."""
    left_out: tuple[str, ...]
    """Fields of `Sampling` that were asked for and aren't sent."""


def sampling_fields(
    call: Call, field_names: FieldNames, provider: Provider = NO_PROVIDER, *, refused: Container[str] = ()
) -> SamplingFields:
    """`refused`: fields that this model doesn't take now."""
    requested: JSONObject = msgspec.to_builtins(call.sampling)
    if not requested:
        return SamplingFields({}, ())
    fields: Body = {}
    left_out: list[str] = []
    for field, value in requested.items():
        name = "" if field in refused else provider.fields.get(field, field_names.get(field, ""))
        if name:
            fields[name] = value
        else:
            left_out.append(field)
    return SamplingFields(fields, tuple(left_out))
