"""Types of the request body on the Gemini wire.

Reference: https://ai.google.dev/api/generate-content
"""

from typing import Literal, NotRequired, TypeAlias, TypedDict

from msgspec import Raw, Struct, field

from perpend.backends.body import Body, JSONObject

GeminiMode: TypeAlias = Literal["AUTO", "NONE", "ANY"]


class GeminiBlob(Struct, rename="camel"):
    mime_type: str
    data: str
    """Base64."""


class GeminiFile(Struct, rename="camel"):
    mime_type: str
    file_uri: str


class GeminiCall(Struct):
    id: str
    name: str
    args: Raw
    """A JSON object."""


class GeminiOutput(Struct):
    output: str


class GeminiError(Struct):
    error: str


class GeminiResult(Struct):
    id: str
    name: str
    """The function's name."""
    response: GeminiOutput | GeminiError


class GeminiPart(Struct, rename="camel", omit_defaults=True):
    """One kind of content, with or without a thought signature."""

    text: str | None = None
    inline_data: GeminiBlob | None = None
    file_data: GeminiFile | None = None
    function_call: GeminiCall | None = None
    function_response: GeminiResult | None = None
    thought_signature: str | None = None


class GeminiContent(Struct):
    role: Literal["user", "model"]
    parts: list[GeminiPart]


class GeminiFunction(Struct, omit_defaults=True):
    name: str
    description: str
    parameters: JSONObject | None = field(default=None, name="parametersJsonSchema")


class GeminiTools(Struct, rename="camel"):
    function_declarations: list[GeminiFunction]


class GeminiCalling(TypedDict):
    mode: GeminiMode
    allowedFunctionNames: NotRequired[list[str]]


class GeminiToolConfig(TypedDict):
    functionCallingConfig: GeminiCalling


class GeminiSystem(TypedDict):
    parts: list[GeminiPart]


class GeminiGenerationConfig(TypedDict):
    """The generation config without sampling fields and `thinkingConfig`, which are added separately."""

    maxOutputTokens: int
    """In tokens, thinking and answer together."""
    responseMimeType: NotRequired[Literal["application/json"]]
    responseJsonSchema: NotRequired[JSONObject]


class GeminiBody(TypedDict):
    contents: list[GeminiContent]
    generationConfig: Body
    """A `GeminiGenerationConfig` with sampling fields and `thinkingConfig`."""
    systemInstruction: NotRequired[GeminiSystem]
    tools: NotRequired[list[GeminiTools]]
    toolConfig: NotRequired[GeminiToolConfig]
