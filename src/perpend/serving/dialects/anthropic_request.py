"""From the body of `POST /v1/messages` to a `Request`."""

import msgspec

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.anthropic_schema import (
    ContentBlock,
    InputMessage,
    MessagesRequest,
    MessagesTool,
)
from perpend.serving.dialects.carries import give_back, unseal
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.forms import form_of, plain
from perpend.serving.dialects.images import image
from perpend.serving.dialects.own import Asked, missing, not_supported, request_of
from perpend.serving.fields import Ignored
from perpend.types import (
    Form,
    Image,
    Message,
    NamedTool,
    OutputFormat,
    Part,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
)

_decoder = msgspec.json.Decoder(MessagesRequest)
_PASSED_OVER = (
    *("metadata", "service_tier", "inference_geo", "cache_control", "container"),
    *("context_management", "mcp_servers"),
)
_CHOICES: dict[str, ToolChoice] = {"auto": "auto", "any": "required", "none": "none"}


def parse(body: bytes, config: Config) -> Parsed:
    """The body as a request. Raises BadRequest naming the first field that is wrong or not supported."""
    ignored = Ignored(strict=config.serve.strict_fields)
    asked = decode(_decoder, body, ignored)
    ignored.unused(asked, _PASSED_OVER)
    _think_as_told(asked)
    messages: list[Message] = []
    if asked.system:
        messages.append(Message("system", _system(_blocks(asked.system, "system", config), "system")))
    for i, message in enumerate(asked.messages):
        messages += _messages(f"messages[{i}]", message, config)
    stops = tuple(asked.stop_sequences or ())
    sampling = Sampling(temperature=asked.temperature, top_p=asked.top_p, stop=stops)
    canonical = Asked(tuple(messages), asked.model, asked.max_tokens, sampling, _form(asked, ignored))
    return Parsed(request_of(canonical, asked, config, ignored), bool(asked.stream))


def _think_as_told(asked: MessagesRequest) -> None:
    """Anthropic's way of asking for thinking, said in Perpend's own fields."""
    if asked.output_config is not None and asked.reasoning_effort is None:
        asked.reasoning_effort = asked.output_config.effort
    thinking = asked.thinking
    if thinking is None:
        return
    if thinking.type == "disabled":
        asked.reasoning_effort = "none"
    elif thinking.type == "enabled":
        given, tokens = asked.max_thinking_tokens, thinking.budget_tokens
        if tokens is None and given is None:
            raise missing("thinking.budget_tokens", 'a number of tokens, or "type": "adaptive"')
        if None not in (tokens, given) and tokens != given:
            hint = "they mean the same: send one"
            raise BadRequest(
                "thinking.budget_tokens and max_thinking_tokens disagree",
                hint=hint,
                field="max_thinking_tokens",
            )
        asked.max_thinking_tokens = given if tokens is None else tokens
    if thinking.display == "omitted" and asked.thinking_visibility is None:
        asked.thinking_visibility = "hidden"


def _messages(path: str, message: InputMessage, config: Config) -> list[Message]:
    if isinstance(message.content, str):
        return [Message(message.role, message.content)]
    parts = _blocks(message.content, f"{path}.content", config)
    if message.role == "assistant":
        return [Message("assistant", plain(parts))]
    if message.role == "system":
        return [Message("system", _system(parts, f"{path}.content"))]
    results = [part for part in parts if isinstance(part, ToolResult)]
    rest = [part for part in parts if not isinstance(part, ToolResult)]
    if any(isinstance(part, ToolUse | Thought) for part in rest):
        hint = "thinking and tool calls are the assistant's"
        raise BadRequest("a user's message has text, images and tool results", hint=hint, field=path)
    said = [Message("user", plain(rest))] if rest or not results else []
    return [*([Message("tool", tuple(results))] if results else []), *said]


def _system(parts: list[Part], path: str) -> str:
    texts = [part.text for part in parts if isinstance(part, Text)]
    if len(texts) < len(parts):
        raise BadRequest("a system prompt is text", hint="send text blocks", field=path)
    return "\n\n".join(texts)


def _blocks(content: str | list[ContentBlock], path: str, config: Config) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Part] = []
    for i, block in enumerate(content):
        where = f"{path}[{i}]"
        if block.type == "text":
            parts.append(Text(_given(block.text, f"{where}.text")))
        elif block.type == "image":
            parts.append(_image(block, f"{where}.source", config))
        elif block.type == "tool_use":
            id_, name = _given(block.id, f"{where}.id"), _given(block.name, f"{where}.name")
            parts.append(ToolUse(id_, name, msgspec.json.encode(block.input or {}).decode()))
        elif block.type == "tool_result":
            parts.append(_result(block, where, config))
        elif block.type == "thinking":
            parts.append(_thought(block))
        elif block.type == "redacted_thinking":
            if (sealed := unseal(block.data or "")) is not None:
                give_back(sealed, parts)
        else:
            hint = "text, image, tool_use, tool_result, thinking and redacted_thinking are"
            raise not_supported(f"{where}.type", f"content of type {block.type[:80]!r}", hint)
    return parts


def _given(value: str | None, field: str) -> str:
    if value is None:
        raise missing(field, f"add {field}")
    return value


def _image(block: ContentBlock, path: str, config: Config) -> Image:
    source = block.source
    if source is not None and source.type == "base64":
        media, data = _given(source.media_type, f"{path}.media_type"), _given(source.data, f"{path}.data")
        return image(f"data:{media};base64,{data}", path, config)
    if source is not None and source.type == "url":
        return image(_given(source.url, f"{path}.url"), f"{path}.url", config)
    raise not_supported(f"{path}.type", "this source of an image", "base64 and url are")


def _result(block: ContentBlock, path: str, config: Config) -> ToolResult:
    id_ = _given(block.tool_use_id, f"{path}.tool_use_id")
    parts = _blocks(block.content or "", f"{path}.content", config)
    content = [part for part in parts if isinstance(part, Text | Image)]
    if len(content) < len(parts):
        raise BadRequest("a tool result is text and images", hint="send those", field=f"{path}.content")
    return ToolResult(id_, plain(content), bool(block.is_error))


def _thought(block: ContentBlock) -> Thought:
    sealed = unseal(block.signature or "")
    if sealed is None:
        return Thought(block.thinking or "")
    return Thought("" if sealed.place == "unshown" else block.thinking or "", sealed.carry)


def _form(asked: MessagesRequest, ignored: Ignored) -> Form:
    choice, parallel = asked.tool_choice, None
    wanted: ToolChoice | None = None
    if choice is not None:
        wanted = _CHOICES.get(choice.type) or NamedTool(_given(choice.name, "tool_choice.name"))
        parallel = None if choice.disable_parallel_tool_use is None else not choice.disable_parallel_tool_use
    given = asked.output_format
    if asked.output_config is not None and asked.output_config.format is not None:
        given = asked.output_config.format
    output = None if given is None else OutputFormat(schema=given.schema)
    tools = [made for i, tool in enumerate(asked.tools or []) if (made := _tool(i, tool, ignored))]
    return form_of(tools, wanted, parallel, output)


def _tool(index: int, tool: MessagesTool, ignored: Ignored) -> Tool | None:
    if tool.type not in (None, "custom"):
        return ignored.add(f"tools[{index}]", f"a tool of type {tool.type[:80]!r}")
    if tool.input_schema is None:
        raise missing(f"tools[{index}].input_schema", "the JSON schema of its input")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=tool.input_schema,
        strict=tool.strict,
    )
