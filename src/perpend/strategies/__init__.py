"""How compute is spent: one file each; importing this package registers them."""

from perpend.strategies import (
    beam,
    best_of_n,
    budget_forcing,
    cascade,
    from_thought,
    refine,
    samples,
    self_consistency,
    single,
    tree,
)
from perpend.strategies.contract import (
    Draws,
    Feedback,
    Session,
    Step,
    Strategy,
    compares_by_verifier,
    draws_of,
    strategies,
)
from perpend.strategies.spec import strategy_spec, with_options

__all__ = [
    "Draws",
    "Feedback",
    "Session",
    "Step",
    "Strategy",
    "beam",
    "best_of_n",
    "budget_forcing",
    "cascade",
    "compares_by_verifier",
    "draws_of",
    "from_thought",
    "refine",
    "samples",
    "self_consistency",
    "single",
    "strategies",
    "strategy_spec",
    "tree",
    "with_options",
]
