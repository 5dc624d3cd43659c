"""Thinking parameters: the fields of a body that ask for thinking, from a call and the rows of provider and family.

`ThinkingParams` has their values by path. One that a provider refused isn't sent again (`granted`), which the answer
reports (`denied`).
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
"""The knobs of families, whose rows name the field."""


def thinking_params_of(call: Call, provider: Provider, *, effort_field: str = "") -> ThinkingParams:
    """The parameters of a call's thinking. `effort_field`: the wire's field for the effort, before the family's."""
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
    """A budget in tokens precedes an effort where both could be sent."""
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
    """The parameters that are sent, without fields that are the same in every call."""
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
    """The parameters without those that the provider refused before."""
    if not call.refused:
        return params
    return {path: value for path, value in params.items() if not _refused(path, value, call)}


def denied(params: Callable[[], ThinkingParams], call: Call) -> tuple[str, ...]:
    """Paths of the parameters that aren't sent, since the provider refused them before."""
    return (
        tuple(path for path, value in params().items() if _refused(path, value, call)) if call.refused else ()
    )


def _refused(path: str, value: Any, call: Call) -> bool:
    return path in call.refused or f"{path}={value}" in call.refused


def can_disable(provider: Provider, call: Call) -> bool:
    """Whether thinking can be disabled by a knob, one whose value differs where the model thinks."""
    knobs = _knobs(provider, call.family, call.model, "").values()
    switches = [knob.off for knob in knobs if not _constant(knob)]
    return call.family.can_disable and any(off is not None for off in switches)


def soft_switched(call: Call, provider: Provider) -> Call:
    """The call with the family's word against thinking in its last user message, where no knob disables it.

    Unlike with a knob, the model writes an empty thought.
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
    """Whether a knob is sent: for a model that may not reason, only where a client or the knob's row names it."""
    if _constant(knob) or knob.any_family:
        return True
    return may_ask or (family.reasons == "perhaps" and knob.models != _ANY_MODEL)


def _constant(knob: Knob) -> bool:
    """Whether its value is the same with thinking on and off: it sets something else."""
    return knob.on == knob.off and knob.on not in (BUDGET, EFFORT)


@lru_cache(maxsize=1024)
def _knobs(provider: Provider, family: Family, model: str, effort_field: str) -> Mapping[str, Knob]:
    """Field -> knob."""
    return _of_provider(provider, family, model) or _of_family(family, effort_field)


def _of_provider(provider: Provider, family: Family, model: str) -> dict[str, Knob]:
    """The first knob of each field that matches the model, without those that its family doesn't use."""
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
