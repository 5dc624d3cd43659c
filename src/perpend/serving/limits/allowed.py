"""Checks the models, efforts and strategies that a subject may use, and limits the size of one request."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from perpend.errors import Forbidden
from perpend.serving.limits.subjects import Subject
from perpend.serving.named_models import models_named
from perpend.solve import Prepared, lowered
from perpend.types import EFFORTS, Effort, Request


def require_allowed(prepared: Prepared, subject: Subject) -> Prepared:
    """Returns the request within the subject's thinking tokens and US dollars per request.

    Raises Forbidden for a model, an effort or a strategy that isn't allowed, and CapReached where the dollars can't pay
    for prompt and answer.
    """
    allowance, request = subject.allowance, prepared.request
    require_model(subject, (*models_named(request), prepared.model.name))
    if allowance.strategies is not None and request.strategy.name not in allowance.strategies:
        raise _forbidden(subject, "strategy", request.strategy.name, allowance.strategies)
    thinking = allowance.max_thinking_tokens
    if allowance.efforts is not None and prepared.effort not in allowance.efforts:
        least = _below(subject, request, prepared.effort, allowance.efforts)
        tokens = prepared.model.effort_tokens[least]
        thinking = tokens if thinking is None else min(tokens, thinking)
    if thinking is None and allowance.max_cost_usd is None:
        return prepared
    return lowered(prepared, "allowance", thinking=thinking, usd=allowance.max_cost_usd)


def require_model(subject: Subject, names: Iterable[str]) -> None:
    """Raises Forbidden for a model that isn't allowed."""
    allowed = subject.allowance.models
    if allowed is not None:
        for name in names:
            if not any(fnmatchcase(name, glob) for glob in allowed):
                raise _forbidden(subject, "model", name, allowed)


def _below(subject: Subject, request: Request, effort: Effort, allowed: tuple[Effort, ...]) -> Effort:
    """Returns the highest allowed effort below the default.

    Raises Forbidden for a request that names its effort, and where no lower effort is allowed.
    """
    below: list[Effort] = [one for one in EFFORTS[: EFFORTS.index(effort)] if one in allowed]
    if request.effort is not None or not below:
        raise _forbidden(subject, "reasoning_effort", effort, allowed)
    return below[-1]


def _forbidden(subject: Subject, field: str, value: str, allowed: tuple[str, ...]) -> Forbidden:
    return Forbidden(
        f"the {subject.kind} {subject.name!r} may not use {value!r}",
        hint=f"it may use {', '.join(allowed)}",
        field=field,
    )
