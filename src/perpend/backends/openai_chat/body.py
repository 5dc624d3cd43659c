"""Types of the request body on the OpenAI chat wire.

Reference: https://platform.openai.com/docs/api-reference/chat/create
"""

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from msgspec import Struct

from perpend.backends.body import JSONObject
from perpend.types import Message


class ChatTextPart(Struct, tag="text"):
    text: str


class ChatImageURL(Struct, omit_defaults=True):
    url: str
    detail: str | None = None


class ChatImagePart(Struct, tag="image_url"):
    image_url: ChatImageURL


class ChatThinkingPart(Struct, tag="thinking"):
    """A thought of an earlier turn; Mistral accepts it as parts, others as text."""

    thinking: list[ChatTextPart] | str


ChatPart: TypeAlias = ChatTextPart | ChatImagePart | ChatThinkingPart


class ChatPlainMessage(Struct):
    role: Literal["system", "developer", "user"]
    content: str | list[ChatPart]


class ChatCalledFunction(Struct):
    name: str
    arguments: str
    """JSON."""


class ChatToolCall(Struct, tag="function"):
    id: str
    function: ChatCalledFunction


class ChatAssistantMessage(Struct, tag_field="role", tag="assistant", omit_defaults=True):
    content: str | list[ChatPart] | None
    tool_calls: list[ChatToolCall] | None = None
    reasoning_details: list[Any] | None = None
    """OpenRouter's reasoning items, unchanged."""
    reasoning_content: str | None = None
    reasoning: str | None = None


class ChatToolMessage(Struct, tag_field="role", tag="tool"):
    tool_call_id: str
    content: str


ChatMessages: TypeAlias = list[Message | ChatPlainMessage | ChatAssistantMessage | ChatToolMessage]
"""A `Message` that is only text is encoded directly."""


class ChatFunction(Struct, omit_defaults=True):
    name: str
    description: str = ""
    parameters: JSONObject | None = None
    """JSON schema."""
    strict: bool | None = None


class ChatFunctionTool(Struct, tag="function"):
    function: ChatFunction


class ChatNamedFunction(TypedDict):
    name: str


class ChatForcedTool(TypedDict):
    type: Literal["function"]
    function: ChatNamedFunction


class ChatTools(TypedDict):
    tools: NotRequired[list[ChatFunctionTool]]
    tool_choice: NotRequired[Literal["none", "required"] | ChatForcedTool]
    parallel_tool_calls: NotRequired[bool]


class ChatSchema(TypedDict):
    name: str
    schema: JSONObject
    description: NotRequired[str]
    strict: NotRequired[bool]


class ChatResponseFormat(TypedDict):
    type: Literal["json_object", "json_schema"]
    json_schema: NotRequired[ChatSchema]


class ChatStreamOptions(TypedDict):
    include_usage: bool


class ChatBody(ChatTools):
    """The request body without output limit, sampling and thinking: their names vary by model and provider."""

    model: str
    messages: ChatMessages
    stream: Literal[True]
    stream_options: ChatStreamOptions
    response_format: NotRequired[ChatResponseFormat]
