"""A ledger row in the making: the one place where rows are made."""

import datetime
from decimal import Decimal

from msgspec import Struct

from perpend.accounting.ledger import NOTHING, Scope, Spend
from perpend.solve.control import Clock
from perpend.storage.rows import LedgerRow, Status
from perpend.types import Usage, new_id


class Origin(Struct, frozen=True):
    """Who asked, and through which door."""

    source: str
    key_id: str | None = None
    user: str | None = None


class LedgerEntry:
    """What is in the ledger for a request, from its beginning on."""

    def __init__(self, origin: Origin, clock: Clock, *, strategy: str, effort: str = "none") -> None:
        self.id = new_id("req")
        self._origin = origin
        self._clock = clock
        self._strategy = strategy
        self._effort = effort
        self._created_at = datetime.datetime.now(datetime.UTC)

    def spent(self, scope: Scope, status: Status, *, model: str, provider: str) -> LedgerRow:
        """What was settled in a scope."""
        return self.row(
            scope.usage, scope.cost_usd, status, model=model, provider=provider, excess=scope.excess
        )

    def row(
        self,
        usage: Usage,
        cost_usd: Decimal | None,
        status: Status,
        *,
        model: str,
        provider: str,
        excess: Spend = NOTHING,
    ) -> LedgerRow:
        """`excess`: spent beyond what had been reserved."""
        return LedgerRow(
            id=self.id,
            key_id=self._origin.key_id,
            user=self._origin.user,
            source=self._origin.source,
            model=model,
            provider=provider,
            created_at=self._created_at,
            finished_at=datetime.datetime.now(datetime.UTC),
            status=status,
            effort=self._effort,
            strategy=self._strategy,
            input=usage.input,
            cached=usage.cached,
            thinking=usage.thinking,
            answer=usage.answer,
            cost_usd=cost_usd,
            overdraft_tokens=excess.output,
            overdraft_usd=excess.usd,
            elapsed_ms=int(self._clock.elapsed_s * 1000),
        )
