"""Builds a gateway's admission, with a history of the latest requests in its ledger."""

from perpend.errors import BadRequest, StorageError
from perpend.runtime import Runtime
from perpend.serving.admission.admission import Admission
from perpend.serving.admission.history import RequestKind, TokenHistory
from perpend.solve.shedding import steps_for
from perpend.storage.past_requests import latest_spends
from perpend.storage.store import Store
from perpend.strategies import draws_of, strategies

_SEEDS = 2000
"""Ledger rows that are read: enough for all recent kinds, within a few milliseconds."""


def admission_of(runtime: Runtime) -> Admission | None:
    """Builds the admission; None where the config turns it off."""
    config = runtime.config.admission
    if not config.enabled:
        return None
    return Admission(config, steps_for, runtime.models.resolve, _seeded(runtime.store))


def _seeded(store: Store) -> TokenHistory:
    history = TokenHistory()
    try:
        past = latest_spends(store, _SEEDS)
    except StorageError:  # callers that need the store report it
        return history
    alone = {name for name in {row.strategy for row in past} if _draws_one(name)}
    for row in reversed([row for row in past if row.strategy in alone]):  # the newest one last
        history.observe(
            RequestKind(row.model, row.effective_thinking, row.strategy), row.thinking, row.answer
        )
    return history


def _draws_one(strategy: str) -> bool:
    """Tells whether a strategy draws one candidate; a row of several doesn't tell how many."""
    try:
        return draws_of(strategies.get(strategy)) is None
    except BadRequest:  # the strategy was a plugin's
        return False
