"""What comes back: candidates, the budget's account, and the answer with its plan."""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct, field

from perpend.types.content import Part, ToolUse
from perpend.types.logprobs import TokenLogprob
from perpend.types.request import Effort
from perpend.types.stop_reason import COMPLETE, AnswerEnd, StopReason, answer_end
from perpend.types.usage import Usage
from perpend.types.verdict import Verdict

LoweredBy = Literal[
    "max_tokens",
    "context",
    "cost_cap",
    "effort",  # it said not to think
    "model",  # it doesn't think, or it thinks, writes or its server takes no more
]


class Plan(Struct, frozen=True, kw_only=True):
    model: str
    effort: Effort
    """The one that the model has, nearest to what was asked for."""
    requested_effort: Effort | None = None
    """None: nobody named one."""
    strategy: str
    reason: str


class Overdraft(Struct, frozen=True, kw_only=True):
    """Spent beyond what was reserved for it: an upstream took more than it was allowed."""

    thinking_tokens: int
    answer_tokens: int
    cost_usd: Decimal


class BudgetReport(Struct, frozen=True, kw_only=True):
    """The answer's `budget` block, in tokens."""

    requested_thinking_tokens: int
    sent: dict[str, Any] = field(default_factory=dict[str, Any])
    """What the model's server was told about thinking: its own words, by their paths in the body; empty: nothing."""
    effective_thinking_tokens: int
    thinking_tokens_used: int
    lowered_by: LoweredBy | None = None
    overdraft: Overdraft | None = None
    """None: all that was spent had been reserved."""


class SummaryReport(Struct, frozen=True):
    """The account of the thinking's summaries: no part of the answer's usage."""

    model: str
    """Who wrote them."""
    usage: Usage
    cost_usd: Decimal | None
    off: str | None = None
    """Why there is none, or no more."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One try at the task. `stop_reason` other than `stop` marks a candidate that was cut."""

    answer: str
    thinking: str = ""
    index: int = 0
    model: str = ""
    """Who wrote it."""
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    """None: not known, as a price isn't."""
    stop_reason: StopReason = "stop"
    score: float | None = None
    """Why it was chosen, or not: the verdict's score, or what its strategy says, such as a share of votes."""
    verdict: Verdict | None = None
    content: tuple[Part, ...] = ()
    """Thoughts, texts and tool calls in the order in which they came."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """Of the answer's tokens, where they were asked for and its server tells them."""

    @property
    def truncated(self) -> bool:
        return self.stop_reason not in COMPLETE

    @property
    def end(self) -> AnswerEnd:
        return answer_end(self.stop_reason, self.content)


class Answer(Struct, frozen=True, kw_only=True):
    request_id: str
    model: str
    """Who wrote it; the plan names the one that was asked for."""
    model_version: str
    plan: Plan
    budget: BudgetReport
    text: str
    thinking: str
    usage: Usage
    """Of everything but summaries."""
    cost_usd: Decimal | None
    """Of everything; None: not known, as a price isn't."""
    truncated: bool
    stop_reason: StopReason
    candidates: tuple[Candidate, ...]
    chosen: int = 0
    """Which candidate's answer it is, by its index."""
    elapsed_s: float
    content: tuple[Part, ...] = ()
    """The chosen candidate's thoughts, texts and tool calls, in their order."""
    ignored: tuple[str, ...] = ()
    """What of the request was passed over: fields that nobody here knows, or that its model can't honour."""
    summary: str = ""
    """All summary lines as they were streamed, joined; empty unless the visibility asks for them."""
    summaries: SummaryReport | None = None
    """None: nobody asked for them."""

    @property
    def verdict(self) -> Verdict | None:
        """The chosen candidate's; None: nobody verified it."""
        return next((one.verdict for one in self.candidates if one.index == self.chosen), None)

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The chosen candidate's."""
        return next((one.logprobs for one in self.candidates if one.index == self.chosen), ())

    @property
    def end(self) -> AnswerEnd:
        return answer_end(self.stop_reason, self.content)

    @property
    def tool_calls(self) -> tuple[ToolUse, ...]:
        return tuple(part for part in self.content if isinstance(part, ToolUse))
