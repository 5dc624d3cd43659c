"""What a backend is: one wire protocol, turning a `Call` into batches of events."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Literal, NamedTuple, Protocol

from msgspec import Struct, field

from perpend.backends.body import JSONObject, ThinkingParams
from perpend.families.family import Family
from perpend.providers.provider import Provider
from perpend.registry import Registry
from perpend.transport.client import HTTPClient, UpstreamAccount
from perpend.types import (
    AnswerDelta,
    AnswerLogprobs,
    CallEnded,
    CallPhase,
    Effort,
    Message,
    OutputSpec,
    ProviderState,
    ProviderStateDelta,
    Sampling,
    Served,
    ThinkingDelta,
    ToolCallDelta,
)

CallEvent = (
    ThinkingDelta | AnswerDelta | ToolCallDelta | ProviderStateDelta | AnswerLogprobs | Served | CallEnded
)


class Call(Struct, frozen=True, kw_only=True):
    """One call to a model. `max_tokens` bounds everything that it may generate."""

    model: str
    """The name that the provider knows it by."""
    family: Family
    messages: tuple[Message, ...]
    max_tokens: int
    phase: CallPhase = "both"
    thinking_tokens: int = 0
    """The share of `max_tokens` meant for thinking: native budgets and efforts are set from it."""
    effort: Effort = "none"
    by_default: bool = False
    """Nobody named the effort: a model that isn't known to reason isn't asked for it."""
    hidden: bool = False
    """Nobody will see the thinking: a server isn't asked to sum it up."""
    refused: frozenset[str] = frozenset()
    """What the provider refused before, and isn't sent: `reasoning_effort`, `reasoning_effort=none` alone, or the role
    `system`."""
    sampling: Sampling = Sampling()
    output_spec: OutputSpec = OutputSpec()
    """Tools and output format of the answer. A thinking phase isn't bound by them."""
    options: dict[str, JSONObject] = field(default_factory=dict[str, JSONObject])
    """What a client sends through, by the names of providers and wires."""
    pause: str = ""
    """Text at which a thinking phase stops, to be gone on with by another call."""
    first_logprobs: int = 0
    """How many of the likeliest first tokens a server is asked for, with their log-probabilities, where it can."""
    cache: bool = True
    """The server may reuse its cache of earlier prompts, where a request can say so."""
    continuation: str = ""
    """Assistant text to go on from, think tags included; only for backends that support a prefix."""

    @property
    def may_ask(self) -> bool:
        """For thinking, or for none: whoever may not reason is only asked where somebody named an effort."""
        reasons = self.family.reasons
        return reasons == "yes" or (reasons == "perhaps" and not self.by_default)

    @property
    def system_role(self) -> Literal["system", "developer", "user"]:
        """The role of a system message on the wire."""
        return "user" if "system" in self.refused else self.family.system_role

    @property
    def logprobs(self) -> int | None:
        """How many alternatives are asked for beside each token of the answer; None: no log-probabilities."""
        return None if self.phase == "thinking" else self.sampling.logprobs


class Backend(Protocol):
    """`stream` yields what came in each read, as one batch, and ends with a `CallEnded`.

    Closing the iterator early cancels the call upstream. Raises UpstreamError or EngineError.
    """

    supports_prefix: bool
    """Can go on from a given prefix, so thinking budgets are exact."""
    resumes: bool
    """A continued sequence isn't billed again: its input counts once."""

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Raises BadRequest too: for options that change what Perpend sets, and for what a vendor can't be sent."""
        ...

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """The events of a response that wasn't streamed; none while a background response isn't done.

        Raises UpstreamError for a response that is an error or damaged.
        """
        ...

    def left_out(self, call: Call) -> tuple[str, ...]:
        """Fields of the call that this wire or its model can't take, so they aren't sent."""
        ...

    def steers(self, call: Call) -> ThinkingParams:
        """The fields of the call's body that ask for thinking, or for none; empty: none does."""
        ...

    async def count_input(self, call: Call) -> int | None:
        """Exact prompt tokens of `call`, or None where the server can't be asked."""
        ...


class Upstream(NamedTuple):
    """What a backend is made from: an account at a place, and the client that reaches it."""

    provider: Provider
    http: HTTPClient
    url: Callable[[], Awaitable[str]]
    """Asked before each call: an engine's address changes when it restarts. Without a slash at its end."""
    account: UpstreamAccount


backends: Registry[Callable[[Upstream], Backend]] = Registry("backend")
"""By the name of the wire protocol. `backends.register("name")(Class)` stands at the end of the class's file."""


def state_for(provider_state: ProviderState | None, origin: str) -> str | None:
    """What the provider `origin` wants back of an earlier answer; None: it isn't its own."""
    return provider_state.data if provider_state is not None and provider_state.origin == origin else None


def append_text(
    batch: list[CallEvent], kind: type[ThinkingDelta] | type[AnswerDelta], text: str, tokens: int
) -> None:
    """Appends text to a batch, joined to text of the same kind before it."""
    if batch and isinstance(last := batch[-1], kind):
        last.text += text
        last.tokens += tokens
    else:
        batch.append(kind(text, tokens))
