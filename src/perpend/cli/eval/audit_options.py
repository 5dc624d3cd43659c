"""The options of `perpend eval audit`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from perpend.cli.option_groups import DrawOptions
from perpend.cli.options import THINKING, Count, Degree, Flag, Tokens, Whole


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """How the whole traces are made."""

    model: str | None = None
    """Default: the config's."""
    max_thinking_tokens: Annotated[Tokens, THINKING] = 512
    """Thinking tokens of each trace."""
    temperature: Degree | None = None
    """Of the traces; answers from perturbed ones have 0."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class AuditDrawOptions(DrawOptions):
    """Whose traces are made, and with what seed."""

    limit: Count | None = 120
    """So many problems, drawn by the seed."""
    seed: Whole = 0
    """Of the draw, the traces and what is planted."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ProbeOptions:
    """How the model answers from perturbed traces."""

    answer_tokens: Count = 32
    """Of each answer from a perturbed trace."""
    rewards: Flag = False
    """Let the model score each step of the whole traces, as the verifier `process_reward` does."""
    parallel: Count = 4
    """So many problems at a time."""
