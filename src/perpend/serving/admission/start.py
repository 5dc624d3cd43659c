"""A gateway's admission as it starts: it knows what the latest requests of its ledger took."""

from perpend.errors import StorageError
from perpend.runtime import Runtime
from perpend.serving.admission.admission import Admission
from perpend.serving.admission.history import RequestKind, TokenHistory
from perpend.solve.shedding import steps_for
from perpend.storage.past_requests import latest_spends
from perpend.storage.store import Store

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
    for row in reversed(past):  # the newest one last, as it counts most
        history.observe(
            RequestKind(row.model, row.effective_thinking, row.strategy), row.thinking, row.answer
        )
    return history
