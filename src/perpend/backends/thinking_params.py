"""Asking for thought: from a call and the rows of provider and family to fields of a request's body.

What a wire asks for is `Asks`: values by their paths in the body. A place that refused one of them isn't asked for
it again (`granted`), which the answer says (`denied`).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from perpend.backends.body import ThinkingParams
from perpend.backends.contract import Call
from perpend.families.family import Family, nearest_effort
from perpend.providers.provider import BUDGET, EFFORT, SWITCH, Knob, Provider, matches_any
from perpend.types import Effort, Text

_ANY_MODEL = ("*",)
_BUDGET, _EFFORT = Knob(field="", on=BUDGET, off=BUDGET), Knob(field="", on=EFFORT, off=EFFORT)
"""A family's own, in whatever field."""


def thinking_params_of(call: Call, provider: Provider, *, effort_field: str = "") -> ThinkingParams:
    """What asks for the call's thinking. `effort_field`: the wire's own for the effort's word, before the family's."""
    family, effort, tokens = call.family, call.effort, call.thinking_tokens
    return {**_params(provider, family, call.model, effort_field, effort, tokens, call.may_ask)}


@lru_cache(maxsize=4096)
def _params(
    provider: Provider,
    family: Family,
    model: str,
    effort_field: str,
    effort: Effort,
    tokens: int,
    may_ask: bool,
) -> Mapping[str, Any]:
    """A budget in tokens goes before an effort word where both could be sent."""
    thinking = tokens > 0
    all_knobs = _knobs(provider, family, model, effort_field)
    knobs = {field: knob for field, knob in all_knobs.items() if _may_ask(knob, family, may_ask)}
    budgeted = any(BUDGET in (knob.on, knob.off) for knob in knobs.values())
    params: ThinkingParams = {}
    for field, knob in knobs.items():
        value = knob.on if thinking else knob.off
        if value == BUDGET:
            value = family.clamp_budget(tokens)
        elif value == EFFORT and budgeted and thinking and provider.knobs:
            value = None
        elif value == EFFORT:
            efforts = knob.efforts
            value = nearest_effort(effort, efforts) if efforts else family.effort_word(effort)
        if value is not None:
            params[field] = value
    return params


def steered(call: Call, provider: Provider, *, effort_field: str = "") -> ThinkingParams:
    """What is sent that asks for thinking or for none, less the fields that are sent with every call."""
    family, effort, tokens = call.family, call.effort, call.thinking_tokens
    params = {**_steered(provider, family, call.model, effort_field, effort, tokens, call.may_ask)}
    return granted(params, call)


@lru_cache(maxsize=4096)
def _steered(
    provider: Provider,
    family: Family,
    model: str,
    effort_field: str,
    effort: Effort,
    tokens: int,
    may_ask: bool,
) -> Mapping[str, Any]:
    knobs = _knobs(provider, family, model, effort_field)
    params = _params(provider, family, model, effort_field, effort, tokens, may_ask)
    return {field: value for field, value in params.items() if not _constant(knobs[field])}


def granted(params: ThinkingParams, call: Call) -> ThinkingParams:
    """`asks`, less what the provider refused before."""
    if not call.refused:
        return params
    return {path: value for path, value in params.items() if not _refused(path, value, call)}


def denied(params: Callable[[], ThinkingParams], call: Call) -> tuple[str, ...]:
    """Paths of what isn't sent because the provider refused it before."""
    return (
        tuple(path for path, value in params().items() if _refused(path, value, call)) if call.refused else ()
    )


def _refused(path: str, value: Any, call: Call) -> bool:
    return path in call.refused or f"{path}={value}" in call.refused


def can_disable(provider: Provider, call: Call) -> bool:
    """The model can be made not to think, and a knob here says so: one that isn't sent all the same where it thinks."""
    knobs = _knobs(provider, call.family, call.model, "").values()
    switches = [knob.off for knob in knobs if not _constant(knob)]
    return call.family.can_disable and any(off is not None for off in switches)


def soft_switched(call: Call, provider: Provider) -> Call:
    """The call, with the family's word for not thinking in its last user message, where no knob here says it.

    Unlike a knob it leaves an empty thought in what is written.
    """
    family = call.family
    if call.thinking_tokens or not family.can_disable or not family.soft_switch:
        return call
    last_user = max((at for at, message in enumerate(call.messages) if message.role == "user"), default=None)
    if last_user is None or can_disable(provider, call):
        return call
    _, word = family.soft_switch
    content = call.messages[last_user].content
    switched_content = f"{content} {word}" if isinstance(content, str) else (*content, Text(word))
    message = msgspec.structs.replace(call.messages[last_user], content=switched_content)
    return msgspec.structs.replace(
        call, messages=(*call.messages[:last_user], message, *call.messages[last_user + 1 :])
    )


def _may_ask(knob: Knob, family: Family, may_ask: bool) -> bool:
    """A model that may not reason isn't asked to, unless somebody names an effort or the place knows that it does."""
    if _constant(knob) or knob.any_family:
        return True
    return may_ask or (family.reasons == "perhaps" and knob.models != _ANY_MODEL)


def _constant(knob: Knob) -> bool:
    """It is sent alike whether thinking is on or off: it tells the server something else."""
    return knob.on == knob.off and knob.on not in (BUDGET, EFFORT)


@lru_cache(maxsize=1024)
def _knobs(provider: Provider, family: Family, model: str, effort_field: str) -> Mapping[str, Knob]:
    """By their fields."""
    return _of_provider(provider, family, model) or _of_family(family, effort_field)


def _of_provider(provider: Provider, family: Family, model: str) -> dict[str, Knob]:
    """The first of each field that fits the model, less those that its family has no use for."""
    knobs: dict[str, Knob] = {}
    native = family.budget in ("native_hard", "native_soft")
    for knob in provider.knobs:
        field = knob.field.replace(SWITCH, family.switch)
        if not matches_any(model, knob.models) or (SWITCH in knob.field and not family.switch):
            continue
        if BUDGET in (knob.on, knob.off) and not (native or knob.any_family):
            continue
        if EFFORT in (knob.on, knob.off) and not (family.effort_field or knob.efforts):
            continue
        knobs.setdefault(field, knob)
    return knobs


def _of_family(family: Family, effort_field: str) -> dict[str, Knob]:
    knobs: dict[str, Knob] = {}
    if family.budget_field:
        knobs[family.budget_field] = _BUDGET
    if family.effort_field:
        knobs[effort_field or family.effort_field] = _EFFORT
    return knobs
