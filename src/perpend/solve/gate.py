"""What a request passes between being prepared and being run, where a gateway has limits and a load."""

from typing import Protocol

from perpend.accounting.ledger import Scope
from perpend.accounting.prices import Price
from perpend.solve.prepare import Prepared


class Gate(Protocol):
    """Made for one request; a request that isn't a client's passes none."""

    async def enter(self, prepared: Prepared) -> Prepared:
        """The request as who asks may have it: its budget may be lower than what was prepared.

        Raises PerpendError, and holds nothing then.
        """
        ...

    async def admit(self, prepared: Prepared) -> Prepared:
        """The request as it can be run now, after whatever wait; one that a cache answers isn't admitted.

        Raises PerpendError.
        """
        ...

    def leave(self, spent: Scope) -> None:
        """The request ended, however it did; `spent` is all that it spent, summaries too."""
        ...


class EmbeddingGate(Protocol):
    """The same for a request for embeddings, which nothing lowers."""

    async def enter_embedding(self, model: str, tokens: int, price: Price) -> None:
        """`tokens`: so many at most. Raises PerpendError, and holds nothing then."""
        ...

    def leave(self, spent: Scope) -> None:
        """As `Gate.leave`."""
        ...
