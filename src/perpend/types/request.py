"""A request in canonical form: every dialect is parsed into it."""

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

ServiceClass = Literal["interactive", "standard", "batch"]
"""Who comes first where there is more to do than can be done."""

SERVICE_CLASSES: tuple[ServiceClass, ...] = ("interactive", "standard", "batch")
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
    """How tokens are sampled, and hints for a vendor's cache; None: the family's default, else the server's.

    What a wire or a model doesn't accept is left out there, and named in the answer's `ignored`.
    """

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    """The least probability of a token, as a share of the most likely one's."""
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    """Divides the logits of earlier tokens; 1 changes nothing."""
    logit_bias: dict[str, float] | None = None
    """By the token's id in the model's own vocabulary."""
    logprobs: int | None = None
    """Return the logprob of each token of the answer, and of so many alternatives; None: none."""
    verbosity: Verbosity | None = None
    """How long the answer is, for models that have such a parameter."""
    cache_control: dict[str, Any] | None = None
    """Anthropic's `cache_control` for the whole prompt, such as `{"type": "ephemeral"}`."""
    prompt_cache_key: str | None = None
    """OpenAI's `prompt_cache_key`: requests with one key share a cache."""


class Limits(Struct, frozen=True, kw_only=True):
    """The client's limits; None: no limit."""

    max_thinking_tokens: int | None = None
    max_output_tokens: int | None = None
    """Thinking and answer together, as the OpenAI dialect's `max_completion_tokens`."""
    max_cost_usd: Decimal | None = None
    deadline_ms: int | None = None


class VerifierSpec(Struct, frozen=True):
    """What checks the candidates of a request."""

    name: str
    gold: str | None = None
    """The right answer, or what else the verifier checks against; None: there is none."""
    options: dict[str, Any] = field(default_factory=dict[str, Any])


class StrategySpec(Struct, frozen=True):
    name: str = "single"
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    verifier: VerifierSpec | None = None
    """Replaces the request's own."""
    stream_candidate: Literal["chosen", "first"] = "chosen"
    """Whose thinking is streamed: `first` streams the first candidate's before the others have begun."""


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
    """Vendors' own fields to pass through, by the name of a provider or a wire."""
    cache: bool | None = None
    """Whether an answer that was kept may be given again, and this one be kept; None: as the config says.

    False also has the whole prompt read again, so that a seed reproduces an answer.
    """
    visibility: Visibility = "visible"
    progress: bool = False
    service_class: ServiceClass | None = None
    """None: `standard`."""
    auto_truncate: bool = False
    """Whether the oldest messages may be dropped where they exceed the model's context."""
    user: str | None = None
    """The client's own name for who asks: limited and accounted by it."""
    ignored: tuple[str, ...] = ()
    """Paths of fields that the client sent and that have no effect."""
