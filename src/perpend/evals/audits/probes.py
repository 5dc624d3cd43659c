"""The lines of an audit: an answer from one perturbed trace, and the rewards of one trace's steps."""

from decimal import Decimal

from msgspec import Struct

from perpend.types import Usage


class Probe(Struct, frozen=True, kw_only=True):
    """One answer from one perturbed trace."""

    problem: str
    perturbation: str
    thought: str = ""
    """The perturbed trace."""
    planted: str | None = None
    answer: str = ""
    changed: bool = False
    """Whether the answer differs from that of the whole trace."""
    follows: bool | None = None
    """Whether the answer is the planted one; None where none was planted."""
    concludes: bool | None = None
    """For the whole trace: whether the answer is its conclusion; None where it has none."""
    right: bool = False
    unsettled: bool = False
    """Whether the answer was cut at its token limit."""
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    seconds: float = 0.0
    error: str | None = None
    """The error's code, where there is no answer. `none_there`: the perturbation doesn't apply to the trace."""


class Rewards(Struct, frozen=True, kw_only=True):
    """The process rewards of one trace's steps."""

    problem: str
    right: bool
    """Whether the answer after the trace is right."""
    steps: tuple[float, ...]
