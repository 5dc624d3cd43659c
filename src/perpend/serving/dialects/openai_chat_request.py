"""Read the body of `POST /v1/chat/completions` into a `Request`."""

from typing import Any, cast

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.documents import inline_document
from perpend.serving.dialects.extension_fields import DialectFields, class_of, request_of
from perpend.serving.dialects.images import image
from perpend.serving.dialects.openai_chat_custom import name_of, tool_of, use_of
from perpend.serving.dialects.openai_chat_functions import calls_of, convert_functions, function_call_id
from perpend.serving.dialects.openai_chat_schema import (
    ChatMessage,
    ChatRequest,
    ChatTool,
    ChatToolChoice,
    ContentPart,
    ReasoningDetail,
)
from perpend.serving.dialects.openai_request import check_fields, includes_usage, sampling_of
from perpend.serving.dialects.output_specs import (
    NO_OUTPUT_SPEC,
    canonical_content,
    function_tool,
    merge_tool_results,
    output_format,
    output_spec_of,
    tools_named,
)
from perpend.serving.fields import Ignored, missing, not_supported
from perpend.types import (
    Document,
    ForcedTool,
    Image,
    Message,
    OutputFormat,
    OutputSpec,
    Part,
    ProviderState,
    Role,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
)

_decoder = msgspec.json.Decoder(ChatRequest)
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
_DEFAULT_SAMPLING = Sampling()


class ChatParsed(Parsed, frozen=True, gc=False, kw_only=True):
    """A parsed body of `POST /v1/chat/completions`."""

    functions: bool
    """Tool calls are answered as `function_call`."""
    custom: frozenset[str]
    """Names of the tools that take free text."""


def parse(body: bytes, config: Config) -> ChatParsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported."""
    ignored = Ignored(strict=config.serve.strict_fields)
    chat = decode(_decoder, body, ignored)
    check_fields(chat, ignored)
    if chat.functions or chat.function_call:
        convert_functions(chat)
    messages = [_message(i, chat.messages, config, ignored) for i in range(len(chat.messages))]
    output_spec = (
        _output_spec(chat, ignored)
        if chat.tools or chat.tool_choice or chat.response_format
        else NO_OUTPUT_SPEC
    )
    dialect_fields = DialectFields(
        merge_tool_results(messages),
        chat.model,
        _max_output(chat),
        _sampling(chat),
        output_spec,
        chat.user or chat.safety_identifier,
        class_of(chat.service_tier, ignored),
    )
    request = request_of(dialect_fields, chat, config, ignored)
    custom = frozenset([tool.name for tool in output_spec.tools if tool.custom is not None])
    return ChatParsed(
        request, bool(chat.stream), includes_usage(chat), functions=bool(chat.functions), custom=custom
    )


def _message(index: int, messages: list[ChatMessage], config: Config, ignored: Ignored) -> Message:
    message, path = messages[index], f"messages[{index}]"
    role = _ROLES[message.role]
    if message.name and role != "tool":  # a tool message is matched by its call id
        ignored.add_unknown(f"{path}.name")
    if message.audio:
        raise not_supported(f"{path}.audio", "audio")
    if role == "assistant":
        return _assistant(index, message, config)
    content = message.content
    if role == "tool":
        call_id = function_call_id(index, messages) if message.role == "function" else message.tool_call_id
        if not call_id:
            raise missing(f"{path}.tool_call_id", "send the id of the tool call that this answers")
        result = "" if content is None else content
        if not isinstance(result, str):
            result = canonical_content(_parts(f"{path}.content", result, config))
        return Message(role, (ToolResult(call_id, result),))
    if isinstance(content, str):
        return Message(role, content)
    if content is None:
        raise BadRequest("a message needs content", hint="send text", field=f"{path}.content")
    return Message(role, canonical_content(_parts(f"{path}.content", content, config)))


def _parts(path: str, content: list[ContentPart], config: Config) -> tuple[Text | Image | Document, ...]:
    parts: list[Text | Image | Document] = []
    for i, part in enumerate(content):
        where = f"{path}[{i}]"
        if part.type == "text":
            if part.text is None:
                raise missing(f"{where}.text", "send the part's text")
            parts.append(Text(part.text))
        elif part.type == "image_url":
            if part.image_url is None:
                raise missing(f"{where}.image_url", "send the image's address")
            address = part.image_url
            parts.append(image(address.url, f"{where}.image_url.url", config, address.detail))
        elif part.type == "file":
            parts.append(inline_document(part.file, f"{where}.file"))
        elif part.type == "refusal":
            parts.append(Text(str(part.refusal or "")))
        else:
            raise not_supported(
                f"{where}.type", f"content of type {part.type[:80]!r}", "send text, image_url or file"
            )
    return tuple(parts)


def _assistant(index: int, message: ChatMessage, config: Config) -> Message:
    content = message.content
    text = content if content and isinstance(content, str) else message.refusal or ""
    if isinstance(content, list):
        joined = canonical_content(_parts(f"messages[{index}].content", content, config))
        if not isinstance(joined, str):
            raise not_supported(
                f"messages[{index}].content", "an image or a document in an assistant's message"
            )
        text = joined
    thinking = message.reasoning_content or message.reasoning or ""
    calls = calls_of(index, message)
    if not thinking and not calls and not message.reasoning_details:
        return Message("assistant", text)
    details = _provider_states(message.reasoning_details or [])
    parts: list[Part] = [*_thoughts(thinking, [detail for detail in details if detail.part == "thought"])]
    texts = [ProviderState(detail.origin, detail.data) for detail in details if detail.part == "text"]
    if text or texts:
        parts.append(Text(text, texts[-1] if texts else None))
    by_call = {
        detail.tool_call: ProviderState(detail.origin, detail.data)
        for detail in details
        if detail.part == "tool_call"
    }
    for at, call in enumerate(calls):
        parts.append(use_of(call, by_call.get(call.id), f"messages[{index}].tool_calls[{at}]"))
    return Message("assistant", tuple(parts))


def _provider_states(details: list[Any]) -> list[ReasoningDetail]:
    """The details that Perpend wrote; those of other gateways are dropped."""
    provider_states: list[ReasoningDetail] = []
    for detail in details:
        if isinstance(detail, dict) and cast("dict[str, Any]", detail).get("type") == "perpend.carry":
            try:
                provider_states.append(msgspec.convert(detail, ReasoningDetail))
            except msgspec.ValidationError:
                continue
    return provider_states


def _thoughts(thinking: str, details: list[ReasoningDetail]) -> list[Thought]:
    """Split `thinking` at the spans of `details`; text between spans is a thought without provider state."""
    thoughts: list[Thought] = []
    done = 0
    for detail in details:
        provider_state = ProviderState(detail.origin, detail.data)
        if not isinstance(detail.span, tuple) or not done <= detail.span[0] <= detail.span[1] <= len(
            thinking
        ):
            thoughts.append(Thought("", provider_state))
            continue
        start, end = detail.span
        if start > done:
            thoughts.append(Thought(thinking[done:start]))
        thoughts.append(Thought(thinking[start:end], provider_state))
        done = end
    if done < len(thinking):
        thoughts.append(Thought(thinking[done:]))
    return thoughts


def _output_spec(chat: ChatRequest, ignored: Ignored) -> OutputSpec:
    tools = [tool for i, sent in enumerate(chat.tools or []) if (tool := _tool(i, sent, ignored))]
    choice = chat.tool_choice
    if isinstance(choice, ChatToolChoice) and choice.allowed_tools is not None:
        names = [name_of(tool) for tool in choice.allowed_tools.tools]
        tools, choice = tools_named(tools, names), choice.allowed_tools.mode
    return output_spec_of(tools, _choice(choice), chat.parallel_tool_calls, _output(chat))


def _tool(index: int, tool: ChatTool, ignored: Ignored) -> Tool | None:
    if tool.type == "custom":
        return tool_of(tool, f"tools[{index}]")
    if tool.type != "function":
        return ignored.add(f"tools[{index}]", f"a tool of type {tool.type[:80]!r}")
    definition = tool.function
    if definition is None:
        raise missing(f"tools[{index}].function", "send its name, description and parameters")
    return function_tool(definition.name, definition.description, definition.parameters, definition.strict)


def _choice(choice: str | ChatToolChoice | None) -> ToolChoice | None:
    if isinstance(choice, ChatToolChoice):
        reference = choice.custom if choice.type == "custom" else choice.function
        if choice.type not in ("function", "custom") or reference is None:
            hint = 'send "auto", "none", "required" or {"type": "function", "function": {"name": …}}'
            raise not_supported("tool_choice", f"tool_choice of type {choice.type[:80]!r}", hint)
        return ForcedTool(reference.name)
    return cast("ToolChoice | None", choice)


def _output(chat: ChatRequest) -> OutputFormat | None:
    format_ = chat.response_format
    if format_ is None:
        return None
    return output_format(format_.type, format_.json_schema, "response_format.json_schema")


def _max_output(chat: ChatRequest) -> int | None:
    if chat.max_tokens is None or chat.max_tokens == chat.max_completion_tokens:
        return chat.max_completion_tokens
    if chat.max_completion_tokens is None:
        return chat.max_tokens
    raise BadRequest(
        "max_tokens and max_completion_tokens disagree",
        hint="send max_completion_tokens alone; it bounds thinking and answer together",
        field="max_tokens",
    )


def _sampling(chat: ChatRequest) -> Sampling:
    if (
        chat.temperature is chat.top_p is chat.seed is chat.stop is chat.logprobs is chat.top_logprobs is None
        and not (chat.presence_penalty or chat.frequency_penalty or chat.logit_bias or chat.verbosity)
        and chat.prompt_cache_key is None
    ):
        return _DEFAULT_SAMPLING
    if chat.top_logprobs and not chat.logprobs:
        raise BadRequest("top_logprobs needs logprobs", hint='send "logprobs": true', field="top_logprobs")
    return sampling_of(
        chat,
        verbosity=None if chat.verbosity == "medium" else chat.verbosity,
        logprobs=(chat.top_logprobs or 0) if chat.logprobs else None,
        prompt_cache_key=chat.prompt_cache_key,
    )
