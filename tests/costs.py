"""Costs in tests."""

from decimal import Decimal


def known(cost: Decimal | None) -> Decimal:
    """A cost that has to be known."""
    assert cost is not None
    return cost
