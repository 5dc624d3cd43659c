"""The bodies of `POST /v1/messages` as types; `/openapi.json` is generated from them."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from perpend.serving.dialects.extension_fields import ExtensionFields, Positive, StopText, Text256
from perpend.serving.fields import PASSED_OVER, PassedOver, refused
from perpend.types import PerpendReport

AnthropicEffort = Literal["low", "medium", "high", "xhigh", "max"]


class Source(Struct, forbid_unknown_fields=True):
    """Where an image or a document is."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    content: "str | list[ContentBlock] | None" = None


class ContentBlock(Struct, forbid_unknown_fields=True):
    """A piece of a message; which fields it has depends on its type."""

    type: str
    text: str | None = None
    source: Source | str | None = None
    """A search result has an address here."""
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None
    tool_use_id: str | None = None
    content: "str | list[ContentBlock] | dict[str, Any] | None" = None
    """An object in the results of Anthropic's own tools."""
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    title: str | None = None
    tool_name: str | None = None
    cache_control: dict[str, Any] | None = None


class TurnConfig(Struct, forbid_unknown_fields=True):
    effort: AnthropicEffort | None = None


class InputMessage(Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock] | None = None
    """Required, except in a system message."""
    output_config: TurnConfig | None = None
    """On a system message: replaces the request's `output_config` from here on."""
    clear_at: Literal["next_user_message", "never"] | None = None
    """On a system message: when it leaves the prompt."""


class Thinking(Struct, forbid_unknown_fields=True):
    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: Annotated[int, Meta(ge=0, le=10_000_000)] | None = None
    """The same as `max_thinking_tokens`."""
    display: Literal["summarized", "omitted"] | None = None


class JSONFormat(Struct, forbid_unknown_fields=True):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Struct, forbid_unknown_fields=True):
    effort: AnthropicEffort | None = None
    format: JSONFormat | None = None


class MessagesTool(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    cache_control: dict[str, Any] | None = None


class MessagesToolChoice(Struct, forbid_unknown_fields=True):
    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Amount(Struct, forbid_unknown_fields=True):
    """So many tokens, tool uses or thinking turns."""

    type: Literal["input_tokens", "tool_uses", "thinking_turns", "all"]
    value: Annotated[int, Meta(ge=0)] = 0


class ContextEdit(Struct, forbid_unknown_fields=True):
    """What of a conversation the model needn't see again; which fields it has depends on its type."""

    type: str
    keep: Amount | Literal["all"] | None = None
    trigger: Amount | None = None
    clear_at_least: Amount | None = None
    exclude_tools: list[str] | None = None
    clear_tool_inputs: bool | list[str] | None = None


class ContextManagement(Struct, forbid_unknown_fields=True):
    edits: list[ContextEdit] | None = None


class Thread(Struct, forbid_unknown_fields=True):
    type: str
    previous_message_id: str | None = None


class MessagesRequest(ExtensionFields, forbid_unknown_fields=True, kw_only=True):
    """Anthropic's request with Perpend's own fields beside it; null means absent everywhere."""

    messages: Annotated[list[InputMessage], Meta(min_length=1)]
    model: Text256 | None = None
    max_tokens: Positive | None = None
    """Thinking and answer together."""
    system: str | list[ContentBlock] | None = None
    stream: bool | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: JSONFormat | None = None
    """As `output_config.format`."""
    tools: list[MessagesTool] | None = None
    tool_choice: MessagesToolChoice | None = None
    stop_sequences: Annotated[list[StopText], Meta(max_length=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None

    context_management: ContextManagement | None = None
    thread: Annotated[Thread | None, PASSED_OVER] = None
    compaction: Annotated[Any, refused(hint="ask for a summary in a message of your own", but=None)] = None

    cache_control: dict[str, Any] | None = None
    """Cache the prompt at the vendor; a mark on any block or tool does the same."""

    metadata: dict[str, Any] | None = None
    """Its `user_id` says who asks, in the client's own words: its use is accounted, and may be limited."""
    service_tier: Text256 | None = None
    """`standard_only` is the service class `standard`; `auto` asks for nothing."""
    inference_geo: PassedOver = None
    container: PassedOver = None
    mcp_servers: PassedOver = None


class TextBlock(Struct, frozen=True, tag="text"):
    text: str


class ThinkingBlock(Struct, frozen=True, tag="thinking"):
    """`signature` is opaque: sent again with the message, it gives a vendor back what it wants."""

    thinking: str
    signature: str


class RedactedThinkingBlock(Struct, frozen=True, tag="redacted_thinking"):
    """What a vendor wants back and nobody reads."""

    data: str


class ToolUseBlock(Struct, frozen=True, tag="tool_use"):
    id: str
    name: str
    input: Raw


class ThinkingCount(Struct, frozen=True):
    thinking_tokens: int


class MessageUsage(Struct, frozen=True):
    """`input_tokens` leaves out what came from a cache; `output_tokens` counts thinking and answer."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens_details: ThinkingCount | UnsetType = UNSET
    """Absent at the start of a stream."""


MessageStop = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class AppliedEdit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: str
    cleared_input_tokens: int
    """An estimate: edits come before any backend counts the prompt."""
    cleared_thinking_turns: int | UnsetType = UNSET
    cleared_tool_uses: int | UnsetType = UNSET


class AppliedEdits(Struct, frozen=True):
    applied_edits: tuple[AppliedEdit, ...]


class MessageReply(Struct, frozen=True, kw_only=True):
    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[TextBlock | ThinkingBlock | RedactedThinkingBlock | ToolUseBlock]
    stop_reason: MessageStop
    stop_sequence: str | None
    usage: MessageUsage
    context_management: AppliedEdits | UnsetType = UNSET
    """Present where the request asked for edits."""
    perpend: PerpendReport


class TokenCount(Struct, frozen=True):
    input_tokens: int


class ErrorDetails(Struct, frozen=True):
    error_code: str


class MessageErrorDetail(Struct, frozen=True):
    """What happened, the field that is meant, and what to do about it."""

    type: str
    message: str
    code: str
    param: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET
    details: ErrorDetails | UnsetType = UNSET
    """Present for errors that Anthropic's SDKs recover from by themselves."""


class MessageError(Struct, frozen=True):
    error: MessageErrorDetail
    type: Literal["error"] = "error"
    request_id: str | UnsetType = UNSET
