"""The bodies of `POST /v1/chat/completions` as types; `/openapi.json` is generated from them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from perpend.serving.dialects.extension_fields import ExtensionFields, Positive, StopText, Text256
from perpend.serving.fields import PassedOver, refused
from perpend.types import PerpendReport, TokenLogprob, Verbosity

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class ImageURL(Struct, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class FilePart(Struct, forbid_unknown_fields=True):
    """A document: a PDF or text."""

    file_data: str | None = None
    """`data:application/pdf;base64,…`"""
    filename: str | None = None
    file_id: str | None = None


class ContentPart(Struct, forbid_unknown_fields=True):
    """A part of a message's content: text or an image."""

    type: str
    text: str | None = None
    image_url: ImageURL | None = None
    file: FilePart | None = None
    refusal: Any = None


class FunctionCall(Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    arguments: str = ""
    """JSON, exactly as the model wrote it."""


class CustomCall(Struct, forbid_unknown_fields=True, frozen=True):
    name: str
    input: str = ""
    """Free text."""


class ToolCall(Struct, forbid_unknown_fields=True, frozen=True):
    """Of a function, or of a custom tool."""

    id: str
    function: FunctionCall | UnsetType | None = UNSET
    type: Literal["function", "custom"] = "function"
    custom: CustomCall | UnsetType | None = UNSET


class ReasoningDetail(Struct, frozen=True, kw_only=True):
    """What a vendor wants back: send an assistant's message again as it came, and it gets it. Opaque.

    `span` are the characters of `reasoning_content` that it belongs to, where it belongs to thinking
    that was shown; `tool_call` the id of the call that it belongs to.
    """

    type: Literal["perpend.carry"] = "perpend.carry"
    index: int
    part: Literal["thought", "text", "tool_call"]
    origin: str
    data: str
    span: tuple[int, int] | UnsetType = UNSET
    tool_call: str | UnsetType = UNSET


class ChatMessage(Struct, forbid_unknown_fields=True):
    """A turn. An assistant's turn is sent again as it came, thinking and all."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[ContentPart] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    audio: Any = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    function_call: FunctionCall | None = None


class StreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool | None = None
    include_obfuscation: PassedOver = None


class FunctionTool(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Grammar(Struct, forbid_unknown_fields=True):
    syntax: Literal["lark", "regex"]
    definition: str


class CustomToolFormat(Struct, forbid_unknown_fields=True):
    """What the input has to be; only OpenAI's own models are held to a grammar."""

    type: Literal["text", "grammar"]
    grammar: Grammar | None = None


class CustomTool(Struct, forbid_unknown_fields=True):
    """A tool that takes free text."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    description: str | None = None
    format: CustomToolFormat | None = None


class ChatTool(Struct, forbid_unknown_fields=True):
    type: str
    function: FunctionTool | None = None
    custom: CustomTool | None = None


class NamedFunction(Struct, forbid_unknown_fields=True):
    name: str


class NamedTool(Struct, forbid_unknown_fields=True):
    function: NamedFunction | None = None
    type: Literal["function", "custom"] = "function"
    custom: NamedFunction | None = None


class AllowedTools(Struct, forbid_unknown_fields=True):
    """Those of the tools that may be called this time, and whether one has to be."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool]


class ChatToolChoice(Struct, forbid_unknown_fields=True):
    type: str
    function: NamedFunction | None = None
    custom: NamedFunction | None = None
    allowed_tools: AllowedTools | None = None


class JSONSchemaFormat(Struct, forbid_unknown_fields=True):
    name: str = "answer"
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ResponseFormat(Struct, forbid_unknown_fields=True):
    """How the answer's text is written; thinking isn't bound by it."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: JSONSchemaFormat | None = None


class OpenAIRequest(ExtensionFields, forbid_unknown_fields=True, kw_only=True):
    """What OpenAI's chat and its legacy completion have in common."""

    model: Text256 | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Positive | None = None
    """Thinking and answer together; default: as the model's."""
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: Int64 | None = None
    stop: StopText | Annotated[list[StopText], Meta(max_length=16)] | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    """Number of choices. All share the request's limits. Excludes `strategy`."""
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    user: str | None = None
    """Who asks, in the client's own words: its use is accounted, and may be limited."""


class ChatRequest(OpenAIRequest, forbid_unknown_fields=True, kw_only=True):
    """OpenAI's chat request with Perpend's own fields beside it; null means absent everywhere."""

    messages: Annotated[list[ChatMessage], Meta(min_length=1)]
    max_completion_tokens: Positive | None = None
    """As `max_tokens`."""

    tools: list[ChatTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ChatToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None

    verbosity: Verbosity | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None

    functions: list[FunctionTool] | None = None
    """The deprecated form of tools; answers then use `function_call`."""
    function_call: Literal["auto", "none"] | NamedFunction | None = None

    prompt_cache_key: str | None = None

    modalities: Annotated[
        list[str] | None, refused("an answer that isn't text", 'send ["text"]', but=["text"])
    ] = None
    audio: Annotated[Any, refused()] = None

    metadata: PassedOver = None
    store: PassedOver = None
    service_tier: Text256 | None = None
    """`priority` is the service class `interactive`, `flex` is `batch`; `auto` and `default` ask for nothing."""
    safety_identifier: str | None = None
    """As `user`, which goes before it."""
    prompt_cache_retention: PassedOver = None
    prompt_cache_options: PassedOver = None
    prediction: PassedOver = None
    web_search_options: PassedOver = None
    moderation: PassedOver = None
    models: PassedOver = None
    route: PassedOver = None


class ReplyMessage(Struct, frozen=True):
    """The answer. `reasoning_content` is the thinking or its summary, absent when hidden or empty."""

    role: Literal["assistant"]
    content: str
    reasoning_content: str | UnsetType = UNSET
    refusal: None = None
    reasoning_details: list[ReasoningDetail] | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET
    function_call: FunctionCall | UnsetType = UNSET


FinishReason = Literal["stop", "length", "tool_calls", "function_call", "content_filter"]


class ChoiceLogprobs(Struct, frozen=True):
    content: tuple[TokenLogprob, ...]
    refusal: None = None


class Choice(Struct, frozen=True):
    index: int
    message: ReplyMessage
    finish_reason: FinishReason
    logprobs: ChoiceLogprobs | UnsetType = UNSET


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


class ChatCompletion(Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: ChatUsage
    perpend: PerpendReport


class FunctionDelta(Struct, frozen=True):
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CustomDelta(Struct, frozen=True):
    name: str | UnsetType = UNSET
    input: str | UnsetType = UNSET


class ToolCallPiece(Struct, frozen=True):
    """`id`, `type` and `name` come with a call's first piece; the arguments' JSON piece by piece."""

    index: int
    id: str | UnsetType = UNSET
    type: Literal["function", "custom"] | UnsetType = UNSET
    function: FunctionDelta | UnsetType = UNSET
    custom: CustomDelta | UnsetType = UNSET


class Delta(Struct, frozen=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    reasoning_details: list[ReasoningDetail] | UnsetType = UNSET
    tool_calls: list[ToolCallPiece] | UnsetType = UNSET
    function_call: FunctionDelta | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    index: int
    delta: Delta
    finish_reason: FinishReason | None = None
    logprobs: ChoiceLogprobs | UnsetType = UNSET


class ChatChunk(Struct, frozen=True, kw_only=True):
    """One `data:` line of a stream. The last one before `[DONE]` carries `usage` and `perpend`."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: ChatUsage | UnsetType | None = UNSET
    perpend: PerpendReport | UnsetType = UNSET
