"""What a person asks for, in canonical form: every client dialect is parsed into this."""

from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct, field

from perpend.types.content import Part, Text, Thought
from perpend.types.output_spec import OutputSpec

Role = Literal["system", "user", "assistant", "tool"]
"""`tool`: a message of tool results and nothing else."""
Effort = Literal["none", "minimal", "low", "medium", "high", "max"]
Visibility = Literal["hidden", "summary", "visible"]
Verbosity = Literal["low", "medium", "high"]

VISIBILITIES: tuple[Visibility, ...] = ("hidden", "summary", "visible")
EFFORTS: tuple[Effort, ...] = ("none", "minimal", "low", "medium", "high", "max")


class Message(Struct, frozen=True):
    role: Role
    content: str | tuple[Part, ...]
    """Text alone, or parts in their order."""

    @property
    def parts(self) -> tuple[Part, ...]:
        return (Text(self.content),) if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join([part.text for part in self.content if isinstance(part, Text)])

    @property
    def thinking(self) -> str:
        """Its thoughts, joined."""
        return "".join([part.text for part in self.parts if isinstance(part, Thought)])


class Sampling(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How tokens are drawn, and what a vendor's cache is told; None: as the model's family, then the server will.

    What a wire or a model can't take is left out there, and named in the answer's `ignored`.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    """The least probability of a token, as a share of the likeliest one's."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    """Divides what was said before; 1 changes nothing."""
    logit_bias: dict[str, float] | None = None
    """By the token's number in the model's own vocabulary."""
    logprobs: int | None = None
    """How likely each token of the answer was is told, and so many of the likeliest in its place."""
    verbosity: Verbosity | None = None
    """How much is said, by models that were taught to be told."""
    cache_control: dict[str, Any] | None = None
    """The prompt is for the vendor's cache, up to its end; in Anthropic's words, such as `{"type": "ephemeral"}`."""
    prompt_cache_key: str | None = None
    """What requests with a common prompt have in common, for a vendor that sends them to one cache by it."""


class Limits(Struct, frozen=True, kw_only=True):
    """What the client allows. None means: not limited by the client."""

    max_thinking_tokens: int | None = None
    max_output_tokens: int | None = None
    """Thinking and answer together, as the OpenAI dialect's `max_completion_tokens`."""
    max_cost_usd: Decimal | None = None
    deadline_ms: int | None = None


class VerifierSpec(Struct, frozen=True):
    """What checks the candidates of a request."""

    name: str
    gold: str | None = None
    """The right answer, or whatever the verifier checks against; None where it needs nothing."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])


class StrategySpec(Struct, frozen=True):
    name: str = "single"
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    verifier: VerifierSpec | None = None
    """In place of the request's own."""
    stream_candidate: Literal["chosen", "first"] = "chosen"
    """Whose thinking is shown: `first` streams it while the others are still to come."""


class Request(Struct, frozen=True, kw_only=True):
    messages: tuple[Message, ...]
    model: str | None = None
    effort: Effort | None = None
    limits: Limits = Limits()
    sampling: Sampling = Sampling()
    strategy: StrategySpec = StrategySpec()
    output_spec: OutputSpec = OutputSpec()
    verifier: VerifierSpec | None = None
    provider_options: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Fields of vendors' own that are sent through, by the names of providers and wires."""
    cache: bool = True
    """An engine may start from what it has of earlier prompts; without that, a seed gives the same answer again."""
    visibility: Visibility = "visible"
    progress: bool = False
    auto_truncate: bool = False
    """The oldest messages may be dropped where all of them are more than the model's context."""
    ignored: tuple[str, ...] = ()
    """Fields of what the client sent that are passed over, by their paths."""
