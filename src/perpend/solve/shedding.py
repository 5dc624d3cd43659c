"""What a request to a model may be lowered to under load."""

from perpend.accounting.curves import unmeasured_steps
from perpend.solve.model import ServedModel


def steps_for(served: ServedModel, thinking: int) -> tuple[int, ...]:
    """The thinking budgets for a request that would get `thinking` tokens: first those, then lower ones, in that order.

    By the model's curve, or with care where it has none. 0 is no thought at all: where it isn't the last one, who must
    lower further turns to a cheaper model.
    """
    if served.curve is not None:
        return tuple(step for step in served.curve.steps(thinking) if step or not thinking or served.stops)
    family, measured = served.family, served.calibration
    cut = family.budget != "effort_only"  # there a lower effort thinks less by itself
    return unmeasured_steps(
        thinking,
        served.effort_tokens,
        natural=max(measured.nearly_all.values(), default=0) if measured and cut else 0,
        can_stop=family.reasons == "yes" and family.can_disable and served.stops,
    )
