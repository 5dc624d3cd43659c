"""A prepared request under tighter limits than its client's: what a gateway lowers before a token is spent."""

from decimal import Decimal

from msgspec.structs import replace

from perpend.solve.model import ServedModel
from perpend.solve.plan import plan_for, wanted
from perpend.solve.prepare import Prepared, budgeted
from perpend.strategies import draws_of
from perpend.types import LoweredBy


def lowered(
    prepared: Prepared,
    by: LoweredBy,
    *,
    thinking: int | None = None,
    usd: Decimal | None = None,
    model: ServedModel | None = None,
) -> Prepared:
    """With at most `thinking` tokens of thought and `usd` US dollars for all of it, by `model` where one is given.

    What was requested stays in the report of the budget, and the plan's reason says what was lowered. Raises
    CapReached where the dollars can't pay for prompt and answer.
    """
    request, before = prepared.request, prepared.budget
    limits, effort = request.limits, request.effort
    if thinking is not None and thinking < before.thinking:
        limits = replace(limits, max_thinking_tokens=thinking)
        if prepared.model.usual_tokens and not prepared.model.asked_by_name:
            effort = None  # the one that keeps to so many tokens
    if usd is not None and (limits.max_cost_usd is None or usd < limits.max_cost_usd):
        limits = replace(limits, max_cost_usd=usd)
    if limits is request.limits and model is None:
        return prepared  # it is within them already
    request, model = replace(request, limits=limits, effort=effort), model or prepared.model
    plan = plan_for(request, model, prepared.effort)
    now = budgeted(
        request,
        model,
        prepared.clock,
        (prepared.strategy, prepared.options),
        prepared.input_bound,
        plan,
        wanted(request, plan, prepared.effort),
    )
    budget = replace(now.budget, requested_thinking=before.requested_thinking, lowered_by=before.lowered_by)
    reasons = [prepared.plan.reason]
    if budget.thinking < before.thinking:
        budget = replace(budget, lowered_by=by)
        reasons.append(f"thinking lowered from {before.thinking} to {budget.thinking} tokens: {by}")
    if now.model is not prepared.model:
        reasons.append(f"{now.model.name} in place of {prepared.model.name}: {by}")
    plan = replace(now.plan, requested_effort=prepared.plan.requested_effort, reason=", ".join(reasons))
    return replace(now, budget=budget, plan=plan, account=prepared.account, cache=prepared.cache)


def narrowed(prepared: Prepared, by: LoweredBy, candidates: int) -> Prepared:
    """With at most so many candidates, which the plan tells. As it was where its strategy can't be narrowed to them."""
    draws = draws_of(prepared.strategy)
    if draws is None or draws.least is None or candidates < draws.least:
        return prepared
    before, name = draws.of(prepared.options), draws.option
    if candidates >= before:
        return prepared
    reason = f"{prepared.plan.reason}, {name} lowered from {before} to {candidates}: {by}"
    plan = replace(prepared.plan, reason=reason, narrowed={name: candidates})
    return replace(prepared, options={**prepared.options, name: candidates}, plan=plan)
