"""The events of a request, in order: clients' streams, traces and metrics are made from them.

An auxiliary call that belongs to no candidate, such as one to a judge, has a negative number as its `candidate`.

Events travel in batches: a list holds those of one read, and goes out in one write.
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
    """Counted by the server, or estimated from the text where it doesn't count."""
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
    """The vendor's state of the thought or text before it, which it ends; may come without any text."""

    provider_state: ProviderState
    part: Literal["thought", "text"] = "thought"
    candidate: int = 0


class AnswerLogprobs(Struct, tag="weighed"):
    """Log-probabilities of the answer's latest tokens, where they were requested."""

    tokens: list[TokenLogprob]
    candidate: int = 0


class SummaryDelta(Struct, tag="summary", gc=False):
    """A line about the thinking so far, written by the cheap model."""

    text: str


class CandidateProgress(Struct, gc=False):
    """How far one of several candidates is."""

    index: int
    phase: Phase
    thinking_tokens: int
    answer_tokens: int


class Progress(Struct, tag="progress", gc=False):
    """How far the request is: tokens, US dollars, and seconds to its end."""

    phase: Phase
    thinking_tokens: int
    thinking_budget: int
    answer_tokens: int
    eta_s: float | None
    cost_usd: Decimal | None
    candidates: tuple[CandidateProgress, ...] = ()
    """Each one's, where there are several."""


class Called(Struct, tag="called", gc=False):
    """A call to a model begins."""

    model: str
    phase: CallPhase
    candidate: int = 0


class Served(Struct, tag="served", gc=False):
    """The provider that serves a call; comes before the call's first output."""

    provider: str
    sent: dict[str, Any] = field(default_factory=dict[str, Any])
    """The fields about thinking that it was sent, by their paths in the body."""
    left_out: tuple[str, ...] = ()
    """What was left out of the call: sampling fields without a counterpart, and what the server refuses."""
    candidate: int = 0


class CallEnded(Struct, tag="call_ended", gc=False, omit_defaults=True):
    """The end of a call, from its backend. `usage` is the server's own count; None: it gave none."""

    reason: ServerStop
    usage: Usage | None = None
    model_version: str | None = None
    written: int = 0
    """Input tokens that were written into the vendor's cache, which may have a price of their own."""
    first_logprobs: dict[str, float] | None = None
    """Log-probabilities of the candidates for the first token, where they were requested."""
    candidate: int = 0


class CallFailed(Struct, tag="call_failed", gc=False):
    """Comes in place of `CallEnded` where the upstream or the engine failed or refused."""

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
