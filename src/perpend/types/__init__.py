"""Pure values, no I/O: the words of the product as types."""

from perpend.types.answer import Answer, BudgetReport, Candidate, LoweredBy, Plan, StopReason
from perpend.types.content import Carry, Image, Part, Text, Thought, ToolResult, ToolUse
from perpend.types.events import (
    AnswerDelta,
    CallEnded,
    Carried,
    Event,
    Finished,
    Phase,
    Progress,
    Started,
    SummaryDelta,
    ThinkingDelta,
    ToolCallDelta,
)
from perpend.types.form import Form, NamedTool, OutputFormat, Tool, ToolChoice
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
from perpend.types.verdict import PASSED, Verdict

__all__ = [
    "EFFORTS",
    "PASSED",
    "Answer",
    "AnswerDelta",
    "BudgetReport",
    "CallEnded",
    "Candidate",
    "Carried",
    "Carry",
    "Effort",
    "Event",
    "Finished",
    "Form",
    "Image",
    "Limits",
    "LoweredBy",
    "Message",
    "NamedTool",
    "OutputFormat",
    "Part",
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
    "Text",
    "ThinkingDelta",
    "Thought",
    "Tool",
    "ToolCallDelta",
    "ToolChoice",
    "ToolResult",
    "ToolUse",
    "Usage",
    "Verdict",
    "Visibility",
    "new_id",
]
