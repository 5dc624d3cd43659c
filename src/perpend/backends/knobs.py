"""Asking for thought: from a call and the rows of provider and family to fields of a request's body."""

from typing import Any

import msgspec

from perpend.backends.contract import Call
from perpend.backends.families import Family, nearest_effort
from perpend.backends.providers import BUDGET, EFFORT, SWITCH, Knob, Provider, fits
from perpend.types import Text


def set_knobs(body: dict[str, Any], call: Call, provider: Provider, *, effort_field: str = "") -> None:
    """Write them into `body`. A budget in tokens goes before an effort word where both could be sent.

    `effort_field` is the wire's own place for the word, in place of the family's.
    """
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
            put(body, knob.field, value)


def can_disable(provider: Provider, family: Family, model: str) -> bool:
    """The model can be made not to think, and a knob here says so: one that isn't sent all the same where it thinks."""
    knobs = _of_provider(provider, family, model) or _of_family(family, "")
    switches = [knob.off for knob in knobs if knob.off != knob.on or knob.off in (BUDGET, EFFORT)]
    return family.can_disable and any(off is not None for off in switches)


def soft_switched(call: Call, provider: Provider) -> Call:
    """The call, with the family's word for not thinking in its last user message, where no knob here says it.

    Unlike a knob it leaves an empty thought in what is written.
    """
    family = call.family
    if call.thinking_tokens or not family.can_disable or not family.soft_switch:
        return call
    last = max((at for at, one in enumerate(call.messages) if one.role == "user"), default=None)
    if last is None or can_disable(provider, family, call.model):
        return call
    _, word = family.soft_switch
    asked = call.messages[last].content
    content = f"{asked} {word}" if isinstance(asked, str) else (*asked, Text(word))
    switched = msgspec.structs.replace(call.messages[last], content=content)
    return msgspec.structs.replace(
        call, messages=(*call.messages[:last], switched, *call.messages[last + 1 :])
    )


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
