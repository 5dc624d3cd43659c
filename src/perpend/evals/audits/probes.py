"""The lines of an audit: an answer from one perturbed trace, and the rewards of one trace's steps."""

from decimal import Decimal

from msgspec import Struct

from perpend.types import Usage


class Probe(Struct, frozen=True, kw_only=True):
    """One answer from one perturbed trace."""

    problem: str
    perturbation: str
    thought: str = ""
    """As it was given."""
    planted: str | None = None
    answer: str = ""
    changed: bool = False
    """It isn't the answer that the whole trace gave."""
    follows: bool | None = None
    """It is the planted one; None where none was planted."""
    concludes: bool | None = None
    """Of the whole trace: the answer is its conclusion; None where it has none."""
    right: bool = False
    unsettled: bool = False
    """It was cut: the model had more to say than an answer."""
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    seconds: float = 0.0
    error: str | None = None
    """Its code: nothing was answered. `none_there`: this trace has nothing to perturb so."""


class Rewards(Struct, frozen=True, kw_only=True):
    """What a process reward gives the steps of one trace."""

    problem: str
    right: bool
    """The answer that the trace led to is."""
    steps: tuple[float, ...]
