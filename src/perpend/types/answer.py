"""The answer, with its candidates, its plan, and its account of the budget."""

from decimal import Decimal
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

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
    "allowance",  # what the key, its user or its team may still spend or think
    "load",  # the server had too much to do
]


class Plan(Struct, frozen=True, kw_only=True):
    """How a request is answered: by which model, at which effort, by which strategy, and why."""

    model: str
    effort: Effort
    """The model's effort nearest to the requested one."""
    requested_effort: Effort | None = None
    """None: the request named none."""
    strategy: str
    reason: str
    narrowed: dict[str, int] | UnsetType = UNSET
    """Options of the strategy that were lowered under load, as it ran with them; absent: it ran as it was asked."""


class Overdraft(Struct, frozen=True, kw_only=True):
    """Spent beyond what was reserved for it: an upstream took more than it was allowed."""

    thinking_tokens: int
    answer_tokens: int
    cost_usd: Decimal


class BudgetReport(Struct, frozen=True, kw_only=True):
    """The answer's `budget` block, in tokens."""

    requested_thinking_tokens: int
    sent: dict[str, Any] = field(default_factory=dict[str, Any])
    """The fields about thinking that the model's server was sent, by their paths in the body; empty: none."""
    effective_thinking_tokens: int
    thinking_tokens_used: int
    lowered_by: LoweredBy | None = None
    overdraft: Overdraft | None = None
    """None: all that was spent had been reserved."""


class SummaryReport(Struct, frozen=True):
    """What summaries of the thinking cost; not a part of the answer's usage."""

    model: str
    """The model that wrote them."""
    usage: Usage
    cost_usd: Decimal | None
    off: str | None = None
    """Why there are none, or no more."""


class CacheReport(Struct, frozen=True, kw_only=True):
    """What the response cache did for a request."""

    hit: bool
    """The answer was kept from an earlier request."""
    age_s: float | None = None
    """Seconds since it was made; None: it was made now."""
    saved: Usage | None = None
    """Tokens that making it took then, and this request didn't use."""
    saved_usd: Decimal | None = None
    """What it cost then; None: nothing was saved, or a price isn't known."""


class Candidate(Struct, frozen=True, kw_only=True):
    """One attempt at the task, complete or cut: see `truncated`."""

    answer: str
    thinking: str = ""
    index: int = 0
    model: str = ""
    """The model that wrote it."""
    usage: Usage = Usage()
    cost_usd: Decimal | None = Decimal(0)
    """None: unknown, since a price is."""
    stop_reason: StopReason = "stop"
    score: float | None = None
    """What it was chosen by: its verdict's score, or its strategy's, such as its share of the votes."""
    verdict: Verdict | None = None
    content: tuple[Part, ...] = ()
    """Thoughts, texts and tool calls, in their order."""
    logprobs: tuple[TokenLogprob, ...] = ()
    """The answer's tokens, where logprobs were requested and the server gives them."""

    @property
    def truncated(self) -> bool:
        return self.stop_reason not in COMPLETE

    @property
    def end(self) -> AnswerEnd:
        return answer_end(self.stop_reason, self.content)


class Answer(Struct, frozen=True, kw_only=True):
    request_id: str
    model: str
    """The model that wrote it; the plan has the requested one."""
    model_version: str
    plan: Plan
    budget: BudgetReport
    text: str
    thinking: str
    usage: Usage
    """Tokens of all calls but those for summaries."""
    cost_usd: Decimal | None
    """US dollars of all calls; None: unknown, since a price is."""
    truncated: bool
    stop_reason: StopReason
    candidates: tuple[Candidate, ...]
    chosen: int = 0
    """The index of the candidate whose answer it is."""
    elapsed_s: float
    content: tuple[Part, ...] = ()
    """The chosen candidate's thoughts, texts and tool calls, in their order."""
    ignored: tuple[str, ...] = ()
    """Paths of request fields that had no effect: unknown ones, and ones that the model can't honour."""
    summary: str = ""
    """All summary lines as they were streamed, joined; empty unless the visibility asks for them."""
    summaries: SummaryReport | None = None
    """None: the request asked for none."""
    cache: CacheReport | None = None
    """None: the response cache wasn't asked."""

    @property
    def verdict(self) -> Verdict | None:
        """The chosen candidate's verdict; None: it wasn't verified."""
        return next((one.verdict for one in self.candidates if one.index == self.chosen), None)

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """The chosen candidate's logprobs."""
        return next((one.logprobs for one in self.candidates if one.index == self.chosen), ())

    @property
    def end(self) -> AnswerEnd:
        return answer_end(self.stop_reason, self.content)

    @property
    def tool_calls(self) -> tuple[ToolUse, ...]:
        return tuple(part for part in self.content if isinstance(part, ToolUse))
