"""What will be done: which model, how much effort, which strategy, and why."""

from msgspec.structs import replace

from perpend.accounting.budgets import TokenBudget, token_budget
from perpend.accounting.calibration import effort_for
from perpend.solve.fallback import Resolve
from perpend.solve.model import ServedModel
from perpend.types import Effort, Limits, Plan, Request


def plan_for(request: Request, model: ServedModel, default_effort: Effort) -> Plan:
    """The plan of a request that names everything or takes the defaults.

    Where a server takes efforts only, a budget in tokens becomes the one that usually keeps to it.
    """
    effort = request.effort or default_effort
    tokens = request.limits.max_thinking_tokens
    unasked = request.effort is None and model.asked_by_name
    said = ["model as asked" if request.model else "default model"]
    if tokens is None or request.effort is not None:
        said.append("effort as asked" if request.effort else "default effort")
    if tokens is not None and effort != "none":
        said.append("thinking tokens as asked")
        if tokens == 0:
            effort = "none"
        elif (usual := model.usual_tokens) and request.effort is None and not unasked:
            effort = effort_for(tokens, usual)
            said.append(f"which {effort} effort keeps to")
    taken = "none" if unasked else model.taken(effort)
    if model.most_thinking == 0:
        said.append("which the model has no use for: it doesn't think")
    elif unasked:
        said.append("nobody knows that the model thinks, so it isn't asked to")
    elif taken != effort:
        said.append(f"{effort} goes as {taken}, the nearest that the model takes")
    elif tokens and model.hides:
        said.append("thinking isn't shown there: thinking and answer are only held together")
    return Plan(
        model=model.name,
        effort=taken,
        requested_effort=request.effort,
        strategy=request.strategy.name,
        reason=", ".join(said),
    )


def wanted(request: Request, plan: Plan, default_effort: Effort) -> tuple[Effort, Limits]:
    """The effort and the limits that budgets follow from. Who can't but think is let think as little as it can."""
    effort, limits = request.effort or default_effort, request.limits
    if request.effort is None and limits.max_thinking_tokens is not None and plan.effort != "none":
        effort = plan.effort  # which may be what those tokens became
    thoughtless = effort == "none" or limits.max_thinking_tokens == 0
    if thoughtless and plan.effort != "none":
        return plan.effort, replace(limits, max_thinking_tokens=None)
    return ("none" if thoughtless else effort), limits


def asked(request: Request, budget: TokenBudget, effort: Effort) -> TokenBudget:
    """The request's budget, which says what was requested, whatever its effort made of that."""
    tokens = request.limits.max_thinking_tokens
    if tokens is None:
        return replace(budget, requested_thinking=0) if request.effort == "none" else budget
    lowered = "effort" if tokens and effort == "none" else budget.lowered_by
    return replace(budget, requested_thinking=tokens, lowered_by=lowered)


def resolved(effort: Effort) -> Resolve:
    """How the budget of a model follows from limits, for who asks for so much effort."""

    def resolve(model: ServedModel, input_bound: int, limits: Limits) -> TokenBudget:
        return token_budget(
            limits,
            effort=effort,
            effort_tokens=model.effort_tokens,
            answer_tokens=model.answer_tokens,
            context=model.context,
            prompt=input_bound,
            costs=None if limits.max_cost_usd is None else model.worst_costs(input_bound),
            model=model.bounds,
        )

    return resolve
