"""How compute is spent: one file each; importing this package registers them."""

from perpend.strategies import budget_forcing, single
from perpend.strategies.contract import Session, Strategy, strategies

__all__ = ["Session", "Strategy", "budget_forcing", "single", "strategies"]
