"""What happens during a request, in order: clients' streams, traces and metrics are drawn from these.

What is of no candidate, such as a question to a judge, has a negative number of its own as its `candidate`.

Events travel in batches: a list holds what came in one read, and goes out in one write.
"""

from decimal import Decimal
from typing import Any, Literal, TypeAlias

from msgspec import Struct, field

from perpend.types.answer import Answer, Plan
from perpend.types.content import ProviderState
from perpend.types.logprobs import TokenLogprob
from perpend.types.stop_reason import ServerStop
from perpend.types.usage import Usage
from perpend.types.verdict import Verdict

Phase = Literal["queued", "thinking", "answering"]
CallPhase = Literal["thinking", "answering", "both"]


class Started(Struct, tag="started", gc=False):
    request_id: str
    model: str
    plan: Plan
    thinking_budget: int


class ThinkingDelta(Struct, tag="thinking", gc=False):
    text: str
    tokens: int = 1
    """Counted by the server where it counts, estimated from the text where it doesn't."""
    candidate: int = 0


class AnswerDelta(Struct, tag="answer", gc=False):
    text: str
    tokens: int = 1
    candidate: int = 0


class ToolCallDelta(Struct, tag="tool_call", gc=False):
    """A piece of a tool call: `id` and `name` come with the first one, the arguments' JSON piece by piece."""

    index: int
    """Which of the answer's tool calls, from 0."""
    id: str = ""
    name: str = ""
    arguments: str = ""
    tokens: int = 0
    candidate: int = 0
    provider_state: ProviderState | None = None


class ProviderStateDelta(Struct, tag="carried", gc=False):
    """Ends the thought or text before it with what its vendor wants back; may stand alone, without any text."""

    provider_state: ProviderState
    part: Literal["thought", "text"] = "thought"
    candidate: int = 0


class AnswerLogprobs(Struct, tag="weighed"):
    """How likely the answer's tokens were that came last, where that was asked for."""

    tokens: list[TokenLogprob]
    candidate: int = 0


class SummaryDelta(Struct, tag="summary", gc=False):
    """A line about the thinking so far, written by the cheap tier."""

    text: str


class CandidateProgress(Struct, gc=False):
    index: int
    phase: Phase
    thinking_tokens: int
    answer_tokens: int


class Progress(Struct, tag="progress", gc=False):
    phase: Phase
    thinking_tokens: int
    thinking_budget: int
    answer_tokens: int
    eta_s: float | None
    cost_usd: Decimal | None
    candidates: tuple[CandidateProgress, ...] = ()
    """One by one, where there are several."""


class Called(Struct, tag="called", gc=False):
    """A call begins. Nothing was heard of it yet."""

    model: str
    phase: CallPhase
    candidate: int = 0


class Served(Struct, tag="served", gc=False):
    """Which provider a call is served by, before the first of what it says."""

    provider: str
    sent: dict[str, Any] = field(default_factory=dict[str, Any])
    """What it was told about thinking, in its own words."""
    left_out: tuple[str, ...] = ()
    """What it was asked without: fields of the sampling, and what it refuses."""
    candidate: int = 0


class CallEnded(Struct, tag="call_ended", gc=False, omit_defaults=True):
    """A backend's last word on one call. `usage` is the server's own count; None where it gave none."""

    reason: ServerStop
    usage: Usage | None = None
    model_version: str | None = None
    written: int = 0
    """The part of the input that was written into the cache, at a price of its own where the vendor has one."""
    first_logprobs: dict[str, float] | None = None
    """Log-probabilities of what the first token might have been, where they were asked for."""
    candidate: int = 0


class CallFailed(Struct, tag="call_failed", gc=False):
    """In the place of `CallEnded`: the call's upstream, or its engine, died or refused."""

    code: str
    message: str
    candidate: int = 0


class Judged(Struct, tag="judged", gc=False):
    """A verifier checked a candidate."""

    verdict: Verdict
    candidate: int = 0


class Finished(Struct, tag="finished", gc=False):
    answer: Answer


Event: TypeAlias = (
    Started
    | ThinkingDelta
    | AnswerDelta
    | ToolCallDelta
    | ProviderStateDelta
    | AnswerLogprobs
    | SummaryDelta
    | Progress
    | Called
    | Served
    | CallEnded
    | CallFailed
    | Judged
    | Finished
)
