"""The contract of backends: each implements one wire protocol, which turns a `Call` into batches of events."""

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
    """One call to a model. `max_tokens` limits thinking and answer together."""

    model: str
    """The provider's name for the model."""
    family: Family
    messages: tuple[Message, ...]
    max_tokens: int
    phase: CallPhase = "both"
    thinking_tokens: int = 0
    """The share of `max_tokens` meant for thinking: native budgets and efforts are set from it."""
    effort: Effort = "none"
    by_default: bool = False
    """The effort is a default: a model that isn't known to reason isn't asked to."""
    hidden: bool = False
    """The client doesn't see the thinking, so the server isn't asked for a summary."""
    refused: frozenset[str] = frozenset()
    """What the provider refused before, so that it isn't sent: a field (`reasoning_effort`), one value of it
    (`reasoning_effort=none`), or the role `system`."""
    sampling: Sampling = Sampling()
    output_spec: OutputSpec = OutputSpec()
    """Tools and output format of the answer. A thinking phase isn't bound by them."""
    options: dict[str, JSONObject] = field(default_factory=dict[str, JSONObject])
    """Fields that the client passes through, by the names of providers and wires."""
    pause: str = ""
    """Text at which a thinking phase stops, for another call to continue."""
    first_logprobs: int = 0
    """How many of the likeliest first tokens to ask for, with their log-probabilities, where a server has them."""
    cache: bool = True
    """The server may reuse its cache of earlier prompts, where a request can say so."""
    continuation: str = ""
    """Assistant text to continue, with its think tags; only for backends that support a prefix."""

    @property
    def may_ask(self) -> bool:
        """Whether thinking parameters are sent: to a model that may not reason, only where a client named an effort."""
        reasons = self.family.reasons
        return reasons == "yes" or (reasons == "perhaps" and not self.by_default)

    @property
    def system_role(self) -> Literal["system", "developer", "user"]:
        """The role of a system message on the wire."""
        return "user" if "system" in self.refused else self.family.system_role

    @property
    def logprobs(self) -> int | None:
        """How many alternatives to ask for with each token of the answer; None: no log-probabilities."""
        return None if self.phase == "thinking" else self.sampling.logprobs


class Backend(Protocol):
    """`stream` yields the events of each read as one batch, and ends with a `CallEnded`.

    Closing the iterator early cancels the call upstream. Raises UpstreamError or EngineError.
    """

    supports_prefix: bool
    """It can continue a given prefix, so thinking budgets are exact."""
    resumes: bool
    """A continued sequence isn't billed again: its input counts once."""

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        """Raises BadRequest too, for options that change what Perpend sets, and for content that a vendor refuses."""
        ...

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """The events of a response that wasn't streamed; none where a background response isn't finished.

        Raises UpstreamError for a response that is an error or damaged.
        """
        ...

    def left_out(self, call: Call) -> tuple[str, ...]:
        """Fields of the call that aren't sent, since the wire or the model doesn't accept them."""
        ...

    def steers(self, call: Call) -> ThinkingParams:
        """The thinking parameters in the call's body; empty where it has none."""
        ...

    async def count_input(self, call: Call) -> int | None:
        """The exact prompt tokens of `call`; None where the server can't count them. Raises UpstreamError."""
        ...


class Upstream(NamedTuple):
    """What a backend is made from: an account at a provider, and the HTTP client."""

    provider: Provider
    http: HTTPClient
    url: Callable[[], Awaitable[str]]
    """Called before each request, as an engine's address changes when it restarts; has no slash at its end."""
    account: UpstreamAccount


backends: Registry[Callable[[Upstream], Backend]] = Registry("backend")
"""By the name of the wire protocol. `backends.register("name")(Class)` stands at the end of the class's file."""


def state_for(provider_state: ProviderState | None, origin: str) -> str | None:
    """The state that the provider `origin` gave; None where there is none, or it is another provider's."""
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
