"""How compute is spent: one file each; importing this package registers them."""

from perpend.strategies import budget_forcing, single
from perpend.strategies.contract import Feedback, Session, Step, Strategy, strategies
from perpend.strategies.spec import strategy_spec, with_options

__all__ = [
    "Feedback",
    "Session",
    "Step",
    "Strategy",
    "budget_forcing",
    "single",
    "strategies",
    "strategy_spec",
    "with_options",
]
