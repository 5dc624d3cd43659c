"""What a request to a model may be lowered to under load."""

from perpend.accounting.curves import unmeasured_steps
from perpend.solve.model import ServedModel


def steps_for(served: ServedModel, thinking: int) -> tuple[int, ...]:
    """The thinking budgets for a request that would get `thinking` tokens, in descending order; the first is `thinking`.

    0 is no thought at all. Where 0 isn't the last one, who must lower further turns to a cheaper model.
    """
    family, measured = served.family, served.calibration
    cut = family.budget != "effort_only"  # there a lower effort thinks less by itself
    return unmeasured_steps(
        thinking,
        served.effort_tokens,
        natural=max(measured.nearly_all.values(), default=0) if measured and cut else 0,
        can_stop=family.reasons == "yes" and family.can_disable and served.stops,
    )
