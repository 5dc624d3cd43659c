"""What will be done: which model, how much effort, which strategy, and why."""

from perpend.accounting.calibration import effort_for
from perpend.types import Effort, Plan, Request


def plan_for(
    request: Request, model: str, default_effort: Effort, usual: dict[Effort, int] | None = None
) -> Plan:
    """The plan of a request that names everything or takes the defaults.

    `usual`: where a server takes efforts only, the tokens that each usually takes: a budget becomes one of them.
    """
    effort = request.effort or default_effort
    tokens = request.limits.max_thinking_tokens
    said = ["model as asked" if request.model else "default model"]
    if tokens is not None:
        said.append("thinking tokens as asked")
        if usual and request.effort is None:
            effort = effort_for(tokens, usual)
            said.append(f"which {effort} effort keeps to")
    else:
        said.append("effort as asked" if request.effort else "default effort")
    return Plan(model=model, effort=effort, strategy=request.strategy.name, reason=", ".join(said))
