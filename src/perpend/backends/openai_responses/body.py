"""Types of the request body on the OpenAI responses wire.

Reference: https://platform.openai.com/docs/api-reference/responses/create
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from msgspec import Struct

from perpend.backends.body import JSONObject


class ResponsesText(Struct, tag="input_text"):
    text: str


class ResponsesImage(Struct, tag="input_image"):
    image_url: str
    detail: str


ResponsesContent: TypeAlias = str | list[ResponsesText | ResponsesImage]


class ResponsesMessage(Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: ResponsesContent


class ResponsesFunctionCall(Struct, tag="function_call"):
    call_id: str
    name: str
    arguments: str
    """JSON."""


class ResponsesFunctionOutput(Struct, tag="function_call_output"):
    call_id: str
    output: ResponsesContent


class ResponsesCustomCall(Struct, tag="custom_tool_call"):
    call_id: str
    name: str
    input: str
    """Free text."""


class ResponsesCustomOutput(Struct, tag="custom_tool_call_output"):
    call_id: str
    output: ResponsesContent


ResponsesItem: TypeAlias = (
    ResponsesMessage
    | ResponsesFunctionCall
    | ResponsesFunctionOutput
    | ResponsesCustomCall
    | ResponsesCustomOutput
    | JSONObject
)
"""An item of the input; a `JSONObject` is a reasoning item, sent back unchanged."""


class ResponsesFunctionTool(Struct, tag="function"):
    name: str
    description: str
    parameters: JSONObject
    """JSON schema."""
    strict: bool


class ResponsesGrammar(Struct, tag="grammar"):
    syntax: Literal["lark", "regex"]
    definition: str


class ResponsesCustomTool(Struct, tag="custom", omit_defaults=True):
    """A tool whose calls have free text in place of JSON."""

    name: str
    description: str
    format: ResponsesGrammar | None = None


class ResponsesNamedTool(TypedDict):
    type: Literal["function", "custom"]
    name: str


class ResponsesFormat(TypedDict):
    type: Literal["json_object", "json_schema"]
    name: NotRequired[str]
    schema: NotRequired[JSONObject]
    strict: NotRequired[bool]
    description: NotRequired[str]


class ResponsesTextConfig(TypedDict):
    format: ResponsesFormat


class ResponsesOutputSpec(TypedDict):
    tools: NotRequired[list[ResponsesFunctionTool | ResponsesCustomTool]]
    tool_choice: NotRequired[Literal["auto", "none", "required"] | ResponsesNamedTool]
    parallel_tool_calls: NotRequired[bool]
    text: NotRequired[ResponsesTextConfig]


class ResponsesRequestBody(ResponsesOutputSpec):
    """The request body without sampling fields and thinking parameters, which are added separately."""

    model: str
    input: list[ResponsesItem]
    stream: Literal[True]
    store: Literal[False]
    max_output_tokens: int
    """In tokens, thinking and answer together."""
    background: NotRequired[Literal[True]]
    include: NotRequired[list[str]]
    """Data that the response contains in addition to its text."""
