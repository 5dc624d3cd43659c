"""Pure values, no I/O: the words of the product as types."""

from perpend.types.answer import Answer, BudgetReport, Candidate, LoweredBy, Plan, StopReason
from perpend.types.events import (
    AnswerDelta,
    CallEnded,
    Event,
    Finished,
    Phase,
    Progress,
    Started,
    SummaryDelta,
    ThinkingDelta,
)
from perpend.types.ids import new_id
from perpend.types.request import (
    EFFORTS,
    Effort,
    Limits,
    Message,
    Request,
    Role,
    Sampling,
    StrategySpec,
    Visibility,
)
from perpend.types.usage import Usage

__all__ = [
    "EFFORTS",
    "Answer",
    "AnswerDelta",
    "BudgetReport",
    "CallEnded",
    "Candidate",
    "Effort",
    "Event",
    "Finished",
    "Limits",
    "LoweredBy",
    "Message",
    "Phase",
    "Plan",
    "Progress",
    "Request",
    "Role",
    "Sampling",
    "Started",
    "StopReason",
    "StrategySpec",
    "SummaryDelta",
    "ThinkingDelta",
    "Usage",
    "Visibility",
    "new_id",
]
