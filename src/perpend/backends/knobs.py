"""Asking for thought: from a call and the rows of provider and family to fields of a request's body."""

from functools import cache
from typing import Any

from perpend.backends.contract import Call
from perpend.backends.families import Family
from perpend.backends.providers import BUDGET, EFFORT, Knob, Provider, fits
from perpend.types import EFFORTS, Effort


def set_knobs(body: dict[str, Any], call: Call, provider: Provider, *, effort_field: str = "") -> None:
    """Write them into `body`. A budget in tokens goes before an effort word where the family takes one.

    `effort_field` is the wire's own place for the word, in place of the family's.
    """
    family, thinks = call.family, call.thinking_tokens > 0
    budgeted = family.budget in ("native_hard", "native_soft")
    for knob in _knobs(provider, family, call.model, effort_field):
        value = knob.on if thinks else knob.off
        if value == BUDGET:
            value = call.thinking_tokens if budgeted else None
        elif value == EFFORT:
            if budgeted and provider.knobs and _takes_budget(provider, call.model):
                continue
            value = nearest_effort(call.effort, knob.efforts or family.efforts)
        if value is not None:
            _put(body, knob.field, value)


@cache
def nearest_effort(effort: Effort, accepted: tuple[Effort, ...]) -> Effort:
    """The highest accepted effort that isn't above the asked one, else the lowest accepted."""
    ranked: list[Effort] = [word for word in EFFORTS if word in accepted]
    below: list[Effort] = [word for word in ranked if EFFORTS.index(word) <= EFFORTS.index(effort)]
    return below[-1] if below else ranked[0]


def _knobs(provider: Provider, family: Family, model: str, effort_field: str) -> list[Knob]:
    if provider.knobs:
        first: dict[str, Knob] = {}
        for knob in provider.knobs:
            if fits(model, knob.models):
                first.setdefault(knob.field, knob)
        return list(first.values())
    own: list[Knob] = []
    if family.budget_field:
        own.append(Knob(field=family.budget_field, on=BUDGET, off=0))
    if family.effort_field:
        own.append(Knob(field=effort_field or family.effort_field, on=EFFORT, off=EFFORT))
    return own


def _takes_budget(provider: Provider, model: str) -> bool:
    return any(knob.on == BUDGET and fits(model, knob.models) for knob in provider.knobs)


def _put(body: dict[str, Any], path: str, value: Any) -> None:
    *above, last = path.split(".")
    for name in above:
        body = body.setdefault(name, {})
    body[last] = value
