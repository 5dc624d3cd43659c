"""Types of the request body on the Anthropic messages wire.

Reference: https://docs.claude.com/en/api/messages
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from msgspec import Raw, Struct

from perpend.backends.body import JSONObject


class AnthropicText(Struct, tag="text"):
    text: str


class AnthropicURL(Struct, tag="url"):
    url: str


class AnthropicBase64(Struct, tag="base64"):
    media_type: str
    data: str


class AnthropicImage(Struct, tag="image"):
    source: AnthropicURL | AnthropicBase64


class AnthropicThinkingBlock(Struct, tag="thinking"):
    thinking: str
    signature: str


class AnthropicToolUse(Struct, tag="tool_use"):
    id: str
    name: str
    input: Raw
    """A JSON object."""


class AnthropicToolResult(Struct, tag="tool_result", omit_defaults=True):
    tool_use_id: str
    content: "str | list[AnthropicBlock]"
    is_error: bool = False


AnthropicBlock: TypeAlias = (
    AnthropicText | AnthropicImage | AnthropicThinkingBlock | AnthropicToolUse | AnthropicToolResult | Raw
)
"""A content block; `Raw` is a redacted thinking block, sent back unchanged."""


class AnthropicMessage(Struct):
    role: Literal["user", "assistant"]
    content: str | list[AnthropicBlock]


class AnthropicTool(Struct, omit_defaults=True):
    name: str
    input_schema: JSONObject
    description: str = ""
    strict: bool = False


class AnthropicToolChoice(TypedDict):
    type: Literal["auto", "none", "any", "tool"]
    name: NotRequired[str]
    disable_parallel_tool_use: NotRequired[bool]


class AnthropicThinkingConfig(TypedDict):
    type: Literal["enabled", "adaptive", "disabled"]
    budget_tokens: NotRequired[int]
    display: NotRequired[Literal["summarized"]]


class AnthropicFormat(TypedDict):
    type: Literal["json_schema"]
    schema: JSONObject


class AnthropicOutputConfig(TypedDict):
    format: AnthropicFormat


class AnthropicBody(TypedDict):
    """The request body without sampling fields and thinking parameters, which are added separately."""

    model: str
    max_tokens: int
    """In tokens, thinking and answer together."""
    messages: list[AnthropicMessage]
    stream: Literal[True]
    system: NotRequired[str]
    output_config: NotRequired[AnthropicOutputConfig]
    tools: NotRequired[list[AnthropicTool]]
    tool_choice: NotRequired[AnthropicToolChoice]
