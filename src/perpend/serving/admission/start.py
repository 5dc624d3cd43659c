"""A gateway's admission as it starts: it knows what the latest requests of its ledger took."""

from perpend.errors import BadRequest, StorageError
from perpend.runtime import Runtime
from perpend.serving.admission.admission import Admission
from perpend.serving.admission.history import RequestKind, TokenHistory
from perpend.solve.shedding import steps_for
from perpend.storage.past_requests import latest_spends
from perpend.storage.store import Store
from perpend.strategies import draws_of, strategies

_SEEDS = 2000
"""Requests that are read: enough for every kind that was asked for lately, in a few milliseconds."""


def admission_of(runtime: Runtime) -> Admission | None:
    """None: the config has it off."""
    config = runtime.config.admission
    if not config.enabled:
        return None
    return Admission(config, steps_for, runtime.models.resolve, _seeded(runtime.store))


def _seeded(store: Store) -> TokenHistory:
    history = TokenHistory()
    try:
        past = latest_spends(store, _SEEDS)
    except StorageError:  # it is told by what needs the store
        return history
    alone = {name for name in {row.strategy for row in past} if _draws_one(name)}
    for row in reversed([row for row in past if row.strategy in alone]):  # the newest one last
        history.observe(
            RequestKind(row.model, row.effective_thinking, row.strategy), row.thinking, row.answer
        )
    return history


def _draws_one(strategy: str) -> bool:
    """Else its row is about several candidates, and doesn't say how many."""
    try:
        return draws_of(strategies.get(strategy)) is None
    except BadRequest:  # it was a plugin's
        return False
