"""Asking for thought: from a call and the rows of provider and family to fields of a request's body."""

from collections.abc import Iterator
from typing import Any

import msgspec

from perpend.backends.contract import Call
from perpend.backends.families import Family, nearest_effort
from perpend.backends.providers import BUDGET, EFFORT, SWITCH, Knob, Provider, fits


def set_knobs(body: dict[str, Any], call: Call, provider: Provider, *, effort_field: str = "") -> None:
    """Write them into `body`. A budget in tokens goes before an effort word where both could be sent.

    `effort_field` is the wire's own place for the word, in place of the family's.
    """
    for knob, value in _values(call, provider, effort_field):
        put(body, knob.field, value)


def knobs_set(call: Call, provider: Provider, *, effort_field: str = "") -> dict[str, Any]:
    """What `set_knobs` writes that steers thinking, by its paths; not what goes with every call."""
    body: dict[str, Any] = {}
    for knob, value in _values(call, provider, effort_field):
        if knob.on != knob.off or knob.on in (BUDGET, EFFORT):
            body[knob.field] = value
    return body


def _values(call: Call, provider: Provider, effort_field: str) -> Iterator[tuple[Knob, Any]]:
    family, thinks = call.family, call.thinking_tokens > 0
    knobs = _of_provider(provider, family, call.model) or _of_family(family, effort_field)
    budgeted = any(BUDGET in (knob.on, knob.off) for knob in knobs)
    for knob in knobs:
        value = knob.on if thinks else knob.off
        if value == BUDGET:
            value = family.within(call.thinking_tokens)
        elif value == EFFORT and budgeted and thinks and provider.knobs:
            value = None
        elif value == EFFORT:
            own = knob.efforts
            value = nearest_effort(call.effort, own) if own else family.effort_word(call.effort)
        if value is not None:
            yield knob, value


def can_disable(provider: Provider, family: Family, model: str) -> bool:
    """The model can be made not to think, and there is a knob for it here."""
    knobs = _of_provider(provider, family, model) or _of_family(family, "")
    return family.can_disable and any(knob.off is not None for knob in knobs)


def _of_provider(provider: Provider, family: Family, model: str) -> list[Knob]:
    """The first of each field that fits the model, less those that its family has no use for."""
    first: dict[str, Knob] = {}
    native = family.budget in ("native_hard", "native_soft")
    for knob in provider.knobs:
        field = knob.field.replace(SWITCH, family.switch)
        if not fits(model, knob.models) or (SWITCH in knob.field and not family.switch):
            continue
        if BUDGET in (knob.on, knob.off) and not (native or knob.any_family):
            continue
        if EFFORT in (knob.on, knob.off) and not (family.effort_field or knob.efforts):
            continue
        first.setdefault(field, knob if field == knob.field else msgspec.structs.replace(knob, field=field))
    return list(first.values())


def _of_family(family: Family, effort_field: str) -> list[Knob]:
    own: list[Knob] = []
    if family.budget_field:
        own.append(Knob(field=family.budget_field, on=BUDGET, off=BUDGET))
    if family.effort_field:
        own.append(Knob(field=effort_field or family.effort_field, on=EFFORT, off=EFFORT))
    return own


def put(body: dict[str, Any], path: str, value: Any) -> None:
    """A dot in `path` goes one object down."""
    *above, last = path.split(".")
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value
