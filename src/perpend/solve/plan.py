"""What will be done: which model, how much effort, which strategy, and why."""

import inspect
from functools import cache
from typing import Any

import msgspec

from perpend.accounting.calibration import effort_for
from perpend.errors import BadRequest
from perpend.registry import choices_hint
from perpend.strategies import Strategy, strategies
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


def strategy_with_options(request: Request) -> tuple[Strategy, dict[str, Any]]:
    """The strategy and its checked options; BadRequest names the wrong one."""
    spec = request.strategy
    strategy = strategies.get(spec.name, field="strategy")
    accepted = _options(strategy)
    checked: dict[str, Any] = {}
    for name, value in spec.options.items():
        if name not in accepted:
            raise BadRequest(
                f"strategy {spec.name!r} has no option {name!r}",
                hint=choices_hint(name, accepted, "its options"),
                field=f"strategy.{name}",
            )
        try:
            checked[name] = msgspec.convert(value, accepted[name], strict=True)
        except msgspec.ValidationError as error:
            raise BadRequest(f"strategy.{name}: {error}", field=f"strategy.{name}") from None
    return strategy, checked


@cache
def _options(strategy: Strategy) -> dict[str, Any]:
    """The annotations of a strategy's keyword arguments, after the session."""
    parameters = list(inspect.signature(strategy, eval_str=True).parameters.values())[1:]
    return {parameter.name: parameter.annotation for parameter in parameters}
