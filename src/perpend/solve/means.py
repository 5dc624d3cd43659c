"""What a request spends with, handed down from `solve` to every session, draft and call."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from perpend.accounting.ledger import Scope
from perpend.solve.control import Clock, Control
from perpend.solve.model import ServedModel
from perpend.types import Event

Emit = Callable[[list[Event]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Means:
    scope: Scope
    model: ServedModel
    clock: Clock
    control: Control | None
    emit: Emit
    input_bound: int
    """Prompt tokens of a first call at most."""
