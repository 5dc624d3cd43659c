"""How prompts are asked while a model is measured."""

from dataclasses import dataclass

from cyclopts import Parameter

from perpend.cli.option_groups import PaceOptions
from perpend.cli.options import Count, Dollars


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MeasuringOptions(PaceOptions):
    """How many prompts are asked, how fast, and at what price."""

    limit: Count = 12
    """Use so many prompts at most."""
    parallel: Count = 2
    """Ask so many at a time."""
    max_cost: Dollars = None
    """US dollars that each request may cost."""
