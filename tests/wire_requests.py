"""What a server of each wire takes: by the vendor's own request types where their SDK is here, else written in small.

Sources of the small ones: google-genai 3.6, types.py; cohere 7.3, v2/client.py; ollama, api/types.go; DashScope's
reference of text-generation/generation; llama.cpp, tools/server/README.md; vLLM 0.33, completion/protocol.py.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import msgspec
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from jsonschema import Draft202012Validator
from msgspec import Struct
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from perpend.providers.provider import Provider

Body = dict[str, Any]


def well_formed(wire: str, body: Body, provider: Provider) -> None:
    """Fails for what a server of the wire would refuse. What only `provider` has is passed over."""
    own = {knob.field.partition(".")[0] for knob in provider.knobs} | {*provider.fields.values()}
    _CHECKS[wire](body, own)


Check = Callable[[Body, set[str]], None]


def _by_sdk(params: Any, *, added: str = "", left_out: tuple[str, ...] = ()) -> Check:
    """`added` and `left_out`: fields by which a place that isn't the vendor's own differs."""

    def check(body: Body, own: set[str]) -> None:
        schema = _schema(params)
        names = schema["properties"].keys() - {*left_out} | {added} - {""}
        assert body.keys() - own <= names
        assert body.keys() >= {*schema["required"], added} - {*left_out, ""}
        validator: Any = Draft202012Validator({**schema, "required": []})
        theirs = {name: value for name, value in body.items() if name not in own}
        assert [(error.json_path, error.message) for error in validator.iter_errors(theirs)] == []

    return check


@cache
def _schema(params: Any) -> dict[str, Any]:
    return TypeAdapter[Any](params).json_schema()


def _in_small(shape: Any) -> Check:
    def check(body: Body, own: set[str]) -> None:
        msgspec.json.decode(msgspec.json.encode(body), type=shape)

    return check


class _Closed(Struct, forbid_unknown_fields=True, kw_only=True):
    """What it doesn't name isn't taken."""


class _Camel(_Closed, rename="camel"):
    """With Google's spelling of names."""


class _Blob(_Camel):
    mime_type: str
    data: str


class _FileData(_Camel):
    mime_type: str
    file_uri: str


class _FunctionCall(_Camel):
    name: str
    args: dict[str, Any]
    id: str


class _FunctionResponse(_Camel):
    name: str
    response: dict[str, Any]
    id: str


class _GeminiPart(_Camel):
    text: str | None = None
    thought_signature: str | None = None
    inline_data: _Blob | None = None
    file_data: _FileData | None = None
    function_call: _FunctionCall | None = None
    function_response: _FunctionResponse | None = None


class _GeminiContent(_Camel):
    role: Literal["user", "model"]
    parts: list[_GeminiPart]


class _GeminiSystem(_Camel):
    parts: list[_GeminiPart]


class _Declaration(_Camel):
    name: str
    description: str
    parameters_json_schema: dict[str, Any] | None = None


class _GeminiTool(_Camel):
    function_declarations: list[_Declaration]


class _Calling(_Camel):
    mode: Literal["AUTO", "ANY", "NONE"]
    allowed_function_names: list[str] | None = None


class _ToolConfig(_Camel):
    function_calling_config: _Calling


class _ThinkingConfig(_Camel):
    include_thoughts: bool
    thinking_budget: int | None = None
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class _Generation(_Camel):
    max_output_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None
    thinking_config: _ThinkingConfig | None = None
    response_mime_type: Literal["application/json"] | None = None
    response_json_schema: dict[str, Any] | None = None


class _Gemini(_Camel):
    contents: list[_GeminiContent]
    generation_config: _Generation
    system_instruction: _GeminiSystem | None = None
    tools: list[_GeminiTool] | None = None
    tool_config: _ToolConfig | None = None


class _Function(_Closed):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class _FunctionTool(_Closed):
    type: Literal["function"]
    function: _Function


class _Called(_Closed):
    name: str
    arguments: str


class _ToolCall(_Closed):
    id: str
    type: Literal["function"]
    function: _Called


class _TextBlock(_Closed, tag="text"):
    text: str


class _ThinkingBlock(_Closed, tag="thinking"):
    thinking: str


class _CohereMessage(_Closed):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | list[_TextBlock | _ThinkingBlock] | None = None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _CohereThinking(_Closed):
    type: Literal["enabled", "disabled"]
    token_budget: int | None = None


class _CohereFormat(_Closed):
    type: Literal["json_object"]
    json_schema: dict[str, Any] | None = None


class _Cohere(_Closed):
    model: str
    messages: list[_CohereMessage]
    stream: Literal[True]
    max_tokens: int
    thinking: _CohereThinking
    tools: list[_FunctionTool] | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    response_format: _CohereFormat | None = None
    temperature: float | None = None
    p: float | None = None
    seed: int | None = None
    stop_sequences: list[str] | None = None


class _DashScopeMessage(_Closed):
    role: Literal["system", "user", "assistant", "tool"]
    content: str | None
    tool_calls: list[_ToolCall] | None = None
    tool_call_id: str | None = None


class _Messages(_Closed):
    messages: list[_DashScopeMessage]


class _NamedTool(_Closed):
    type: Literal["function"]
    function: _Function


class _DashScopeFormat(_Closed):
    type: Literal["json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class _Parameters(_Closed):
    result_format: Literal["message"]
    incremental_output: Literal[True]
    max_tokens: int
    enable_thinking: bool
    thinking_budget: int | None = None
    tools: list[_FunctionTool] | None = None
    tool_choice: Literal["auto", "none"] | _NamedTool | None = None
    parallel_tool_calls: bool | None = None
    response_format: _DashScopeFormat | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None


class _DashScope(_Closed):
    model: str
    input: _Messages
    parameters: _Parameters


class _OllamaCalled(_Closed):
    name: str
    arguments: dict[str, Any]


class _OllamaCall(_Closed):
    id: str
    function: _OllamaCalled


class _OllamaMessage(_Closed):
    role: Literal["system", "user", "assistant", "tool"]
    content: str
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[_OllamaCall] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class _OllamaOptions(_Closed):
    num_predict: int
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: list[str] | None = None


class _Ollama(_Closed):
    model: str
    messages: list[_OllamaMessage]
    stream: Literal[True]
    think: bool | Literal["low", "medium", "high"]
    options: _OllamaOptions
    tools: list[_FunctionTool] | None = None
    format: Literal["json"] | dict[str, Any] | None = None


class _Llama(_Closed):
    prompt: str
    n_predict: int
    stream: Literal[True]
    cache_prompt: bool
    stop: list[str]
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    json_schema: dict[str, Any] | None = None


class _StreamOptions(_Closed):
    include_usage: bool
    continuous_usage_stats: bool


class _Structured(_Closed):
    json: dict[str, Any]


class _Completion(_Closed):
    model: str
    prompt: str
    max_tokens: int
    stream: Literal[True]
    stream_options: _StreamOptions
    stop: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    structured_outputs: _Structured | None = None
    json_schema: str | None = None
    """SGLang's name for it."""


_CHECKS: dict[str, Check] = {
    "openai_chat": _by_sdk(CompletionCreateParamsStreaming),
    "openai_responses": _by_sdk(ResponseCreateParamsStreaming),
    "anthropic": _by_sdk(MessageCreateParamsStreaming),
    "anthropic_vertex": _by_sdk(MessageCreateParamsStreaming, added="anthropic_version", left_out=("model",)),
    "anthropic_bedrock": _by_sdk(
        MessageCreateParamsStreaming, added="anthropic_version", left_out=("model", "stream")
    ),
    "gemini": _in_small(_Gemini),
    "cohere": _in_small(_Cohere),
    "dashscope": _in_small(_DashScope),
    "ollama": _in_small(_Ollama),
    "llama_completion": _in_small(_Llama),
    "raw_completion": _in_small(_Completion),
}
