"""The bodies of `POST /v1/chat/completions` as types; `/openapi.json` is generated from them."""

from decimal import Decimal
from typing import Annotated, Any, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from perpend.types import BudgetReport, Effort, Plan, StopReason, Usage, Visibility

Count = Annotated[int, Meta(ge=0, le=10_000_000)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Text256 = Annotated[str, Meta(max_length=256)]
StopText = Annotated[str, Meta(min_length=1, max_length=256)]
Money: TypeAlias = float | str


class ContentPart(Struct, forbid_unknown_fields=True):
    """A part of a message's content; only text so far."""

    type: str
    text: str | None = None
    image_url: Any = None
    input_audio: Any = None
    file: Any = None
    refusal: Any = None
    prompt_cache_breakpoint: Any = None


class ChatMessage(Struct, forbid_unknown_fields=True):
    """A turn. What an assistant's turn carries beside its content is accepted and left out of the prompt."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    audio: Any = None
    tool_calls: Any = None
    tool_call_id: str | None = None
    function_call: Any = None


class StreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(Struct, forbid_unknown_fields=True, kw_only=True):
    """OpenAI's chat request with Perpend's own fields beside it; null means absent everywhere."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    model: Text256 | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    """As `max_completion_tokens`: thinking and answer together."""
    max_completion_tokens: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Int64 | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=16)] | None = None

    reasoning_effort: Effort | Literal["xhigh"] | None = None
    max_thinking_tokens: Count | None = None
    max_cost_usd: Money | None = None
    deadline_ms: Annotated[int, Meta(ge=1, le=86_400_000)] | None = None
    thinking_visibility: Visibility | None = None
    progress: bool | None = None
    strategy: Text256 | dict[str, Any] | None = None
    verifier: Text256 | None = None
    router: Text256 | None = None
    cache: bool | None = None

    # Accepted, without effect on the answer.
    user: str | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    service_tier: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None

    # Accepted at their harmless value; anything else isn't supported yet.
    n: int | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None
    verbosity: str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    functions: list[Any] | None = None
    function_call: str | dict[str, Any] | None = None
    audio: Any = None
    prediction: Any = None
    web_search_options: Any = None
    moderation: Any = None


class ReplyMessage(Struct, frozen=True):
    """The answer. `reasoning_content` is the thinking or its summary, absent when hidden or empty."""

    role: Literal["assistant"]
    content: str
    reasoning_content: str | UnsetType = UNSET
    refusal: None = None


FinishReason = Literal["stop", "length"]


class Choice(Struct, frozen=True):
    index: int
    message: ReplyMessage
    finish_reason: FinishReason
    logprobs: None = None


class PromptDetails(Struct, frozen=True):
    cached_tokens: int


class CompletionDetails(Struct, frozen=True):
    reasoning_tokens: int


class ChatUsage(Struct, frozen=True):
    """`completion_tokens` counts thinking and answer together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class CandidateReport(Struct, frozen=True):
    answer: str
    score: float | None
    thinking: int
    """Thinking tokens."""
    answer_tokens: int


class PerpendReport(Struct, frozen=True, kw_only=True):
    """What every answer says about itself beside the dialect's own fields."""

    request_id: str
    model: str
    model_version: str
    plan: Plan
    budget: BudgetReport
    usage: Usage
    cost_usd: Decimal
    truncated: bool
    stop_reason: StopReason
    candidates: list[CandidateReport]
    guards: list[dict[str, Any]]


class ChatCompletion(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage
    perpend: PerpendReport


class Delta(Struct, frozen=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    index: int
    delta: Delta
    finish_reason: FinishReason | None = None


class ChatChunk(Struct, frozen=True, kw_only=True):
    """One `data:` line of a stream. The last one before `[DONE]` carries `usage` and `perpend`."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: ChatUsage | UnsetType | None = UNSET
    perpend: PerpendReport | UnsetType = UNSET
