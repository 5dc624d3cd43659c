"""To which thinking budgets a request may be lowered under load: pure policy, shared by serving and planning."""

from perpend.types import Effort

_KEPT_UNMEASURED = 0.5
"""Of a budget, where nobody measured what less of it does."""


def unmeasured_steps(
    thinking: int, usual: dict[Effort, int], *, natural: int = 0, can_stop: bool
) -> tuple[int, ...]:
    """The budgets for a model without a curve: kept, half of it, off. See docs/guides/overload.md.

    Half is no step where it is below the tokens of the `usual` medium effort, or below the `natural` length of nearly all
    of its thoughts: a thought cut there may do worse than none. Off is one where the model's maker gave it that mode
    (`can_stop`) and no more than medium effort was asked for.
    """
    steps = [thinking]
    lower = max(int(thinking * _KEPT_UNMEASURED), usual["medium"], natural)
    if lower < thinking:
        steps.append(lower)
    if can_stop and 0 < thinking <= usual["medium"]:
        steps.append(0)
    return tuple(steps)
