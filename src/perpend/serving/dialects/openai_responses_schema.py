"""The bodies of `/v1/responses` as types; `/openapi.json` is generated from them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from perpend.serving.dialects.extension_fields import EffortWord, ExtensionFields, Positive, Text256
from perpend.serving.fields import PassedOver, refused
from perpend.types import PerpendReport, TokenLogprob, Verbosity


class InputContent(Struct, forbid_unknown_fields=True):
    """A piece of a message, of a tool's output or of a reasoning item."""

    type: str = ""
    text: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_data: str | None = None
    """A data URL: `data:application/pdf;base64,…`, or of a text type."""
    filename: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    refusal: str | None = None

    # Sent back by clients as they got them; ignored.
    annotations: Any = None
    logprobs: Any = None


class InputItem(Struct, forbid_unknown_fields=True):
    """A message, a tool call, its output or a reasoning item; which fields it has depends on its type."""

    type: str = "message"
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[InputContent] | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None
    action: Any = None
    output: str | list[InputContent] | InputContent | None = None
    tools: list["ResponsesTool"] | None = None
    encrypted_content: str | None = None
    id: str | None = None

    # Sent back by clients as they got them; ignored.
    status: Any = None
    summary: Any = None
    phase: Any = None
    execution: Any = None


class CustomFormat(Struct, forbid_unknown_fields=True):
    """What a custom tool's input has to be; only OpenAI's own models are held to a grammar."""

    type: Literal["text", "grammar"]
    syntax: Literal["lark", "regex"] | None = None
    definition: str | None = None


class ResponsesTool(Struct, forbid_unknown_fields=True, omit_defaults=True):
    type: str = ""
    name: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    format: CustomFormat | None = None
    tools: list["ResponsesTool"] | None = None
    """The members of a namespace."""
    execution: str | None = None
    """Who runs a tool search; only `client` is supported."""

    # Fields of web search, which Perpend doesn't run.
    external_web_access: Any = None
    search_content_types: Any = None


class ResponsesToolChoice(Struct, forbid_unknown_fields=True, omit_defaults=True):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: list[dict[str, Any]] | None = None


class TextFormat(Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextConfig(Struct, forbid_unknown_fields=True, frozen=True):
    format: TextFormat | None = None
    verbosity: Verbosity | None = None


class ReasoningConfig(Struct, forbid_unknown_fields=True, frozen=True):
    """`summary` is the same as `"thinking_visibility": "summary"`, which goes before it."""

    effort: EffortWord | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: PassedOver = None


class ResponsesStreamOptions(Struct, forbid_unknown_fields=True):
    include_obfuscation: PassedOver = None


class ConversationRef(Struct, forbid_unknown_fields=True, frozen=True):
    id: Text256


class ResponsesRequest(ExtensionFields, forbid_unknown_fields=True, kw_only=True):
    """OpenAI's request with Perpend's own fields beside it; null means absent everywhere."""

    input: str | Annotated[list[InputItem], Meta(min_length=1)] | None = None
    model: Text256 | None = None
    instructions: str | None = None
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    max_output_tokens: Positive | None = None
    """Thinking and answer together."""
    reasoning: ReasoningConfig | None = None
    text: TextConfig | None = None
    tools: list[ResponsesTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ResponsesToolChoice | None = None
    parallel_tool_calls: bool | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    store: bool | None = None
    """Whether the response is stored, to be continued or fetched; true by default."""
    previous_response_id: Text256 | None = None
    conversation: Text256 | ConversationRef | None = None
    """A conversation made with `POST /v1/conversations`; the request continues it, and the answer is added to it."""
    background: bool | None = None
    """Return at once with status `queued`; `GET /v1/responses/{id}` returns the state later."""
    metadata: dict[str, str] | None = None

    include: list[str] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    """Number of likeliest tokens to return for each token of the answer. With `message.output_text.logprobs` in
    `include`, 0 returns the token itself alone."""
    user: str | None = None
    """Who asks, in the client's own words: its use is accounted, and may be limited."""
    truncation: Literal["disabled", "auto"] | None = None
    """`auto`: drop the oldest messages where the conversation exceeds the model's context."""

    prompt: Annotated[Any, refused()] = None
    prompt_cache_key: Any = None

    client_metadata: PassedOver = None
    service_tier: Text256 | None = None
    """`priority` is the service class `interactive`, `flex` is `batch`; `auto` and `default` ask for nothing."""
    safety_identifier: str | None = None
    """As `user`, which goes before it."""
    prompt_cache_retention: PassedOver = None
    prompt_cache_options: PassedOver = None
    max_tool_calls: PassedOver = None
    context_management: PassedOver = None
    moderation: PassedOver = None


class ReasoningText(Struct, frozen=True, tag="reasoning_text"):
    text: str


class SummaryText(Struct, frozen=True, tag="summary_text"):
    text: str


class OutputText(Struct, frozen=True, tag="output_text"):
    text: str
    annotations: tuple[()] = ()
    logprobs: tuple[TokenLogprob, ...] = ()


ItemStatus = Literal["in_progress", "completed"]


class ReasoningItem(Struct, frozen=True, tag="reasoning", kw_only=True):
    """Thinking as `content`, or a summary of it. `encrypted_content` is opaque: sent again, it gives a vendor
    back what it wants.
    """

    id: str
    summary: tuple[SummaryText, ...] = ()
    content: tuple[ReasoningText, ...] | UnsetType = UNSET
    encrypted_content: str | UnsetType = UNSET


class MessageItem(Struct, frozen=True, tag="message", kw_only=True):
    id: str
    role: Literal["assistant"] = "assistant"
    content: tuple[OutputText, ...] = ()
    status: ItemStatus


class FunctionCallItem(Struct, frozen=True, tag="function_call", kw_only=True):
    id: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    arguments: str = ""
    status: ItemStatus


class CustomToolCallItem(Struct, frozen=True, tag="custom_tool_call", kw_only=True):
    id: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    input: str = ""
    """Free text."""
    status: ItemStatus


class ToolSearchCallItem(Struct, frozen=True, tag="tool_search_call", kw_only=True):
    id: str
    call_id: str
    execution: Literal["client"] = "client"
    arguments: Raw
    """An object."""
    status: ItemStatus


class CompactionItem(Struct, frozen=True, tag="compaction"):
    """Stands for all that came before it: sent in its place, the model goes on from a summary."""

    id: str
    encrypted_content: str


OutputItem = (
    ReasoningItem | MessageItem | FunctionCallItem | CustomToolCallItem | ToolSearchCallItem | CompactionItem
)


class InputDetails(Struct, frozen=True):
    cached_tokens: int
    cache_write_tokens: int = 0


class OutputDetails(Struct, frozen=True):
    reasoning_tokens: int


class ResponseUsage(Struct, frozen=True):
    """`output_tokens` counts thinking and answer together."""

    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails
    total_tokens: int


FailureCode = Literal["server_error", "rate_limit_exceeded", "invalid_prompt", "context_length_exceeded"]


class ResponseFailure(Struct, frozen=True, kw_only=True):
    """What happened; `type` is Perpend's own code for it."""

    code: FailureCode
    message: str
    type: str
    param: str | None
    hint: str | None


class Incomplete(Struct, frozen=True):
    reason: Literal["max_output_tokens", "content_filter"]


ResponseState = Literal["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]


class TextEcho(Struct, frozen=True):
    format: TextFormat = TextFormat("text")
    verbosity: Verbosity = "medium"


class ReasoningEcho(Struct, frozen=True):
    effort: EffortWord | None = None
    summary: Literal["auto", "concise", "detailed", "none"] | None = None


class FunctionEcho(Struct, frozen=True):
    name: str | None
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool
    type: Literal["function"] = "function"


class Echo(Struct, frozen=True, kw_only=True):
    """What a response repeats of its request, always all of it: clients check. Null where the model's own holds."""

    background: bool = False
    conversation: ConversationRef | UnsetType = UNSET
    instructions: str | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: ReasoningEcho = ReasoningEcho()
    safety_identifier: str | None = None
    store: bool = True
    temperature: float | None = None
    text: TextEcho = TextEcho()
    tool_choice: str | ResponsesToolChoice = "auto"
    tools: tuple[Any, ...] = ()
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: Literal["disabled", "auto"] = "disabled"
    user: str | None = None


class ResponseBody(Echo, frozen=True, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    created_at: int
    completed_at: int | UnsetType = UNSET
    status: ResponseState
    error: ResponseFailure | None = None
    incomplete_details: Incomplete | None = None
    model: str
    output: tuple[OutputItem, ...] = ()
    usage: ResponseUsage | None = None
    perpend: PerpendReport | UnsetType = UNSET


class Compacted(Struct, frozen=True, kw_only=True):
    """A conversation made short: the user's messages, and the item that stands for it."""

    id: str
    object: Literal["response.compaction"] = "response.compaction"
    created_at: int
    output: list[Any]
    usage: ResponseUsage
    perpend: PerpendReport


class ResponseTokens(Struct, frozen=True):
    input_tokens: int
    object: Literal["response.input_tokens"] = "response.input_tokens"


class ResponseDeleted(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["response"] = "response"
    deleted: bool = True
