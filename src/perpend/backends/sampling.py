"""Renames a call's sampling for its wire; a field that the wire lacks is reported, never dropped silently.

Each wire has a table of its names for the fields of `Sampling`; a provider's `fields` precede it. Fields that a model's
family refuses are left out, so that the call doesn't fail.
"""

from collections.abc import Container, Mapping
from typing import NamedTuple

import msgspec

from perpend.backends.body import Body, JSONObject
from perpend.backends.contract import Call
from perpend.families.family import Family
from perpend.providers.provider import Provider

FieldNames = Mapping[str, str]
"""Field of `Sampling` -> the wire's name for it; the wire lacks those that aren't here."""

NO_PROVIDER = Provider(name="")


def refused_always(family: Family) -> tuple[str, ...]:
    """Sampling fields that a family refuses: with temperature also top_p."""
    return (*family.rejects, "top_p") if family.sampling_fixed else family.rejects


class SamplingFields(NamedTuple):
    """A call's sampling, as it is sent."""

    fields: Body
    """Of the request's body."""
    left_out: tuple[str, ...]
    """Requested fields of `Sampling` that aren't sent."""


def sampling_fields(
    call: Call, field_names: FieldNames, provider: Provider = NO_PROVIDER, *, refused: Container[str] = ()
) -> SamplingFields:
    """The call's sampling under the wire's names. `refused`: fields that the model doesn't accept in this call."""
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
