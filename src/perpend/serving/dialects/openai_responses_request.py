"""From the body of `POST /v1/responses` to a `Request`."""

import time
from typing import cast

import msgspec
from msgspec import UNSET

from perpend.config.schema import Config
from perpend.errors import BadRequest
from perpend.serving.decode import decode
from perpend.serving.dialects.carries import give_back, unseal
from perpend.serving.dialects.contract import Parsed
from perpend.serving.dialects.forms import form_of, plain, with_results_together
from perpend.serving.dialects.images import image
from perpend.serving.dialects.openai_responses_schema import (
    ConversationRef,
    Echo,
    InputContent,
    InputItem,
    ReasoningConfig,
    ResponsesRequest,
    ResponsesTool,
    ResponsesToolChoice,
    TextConfig,
    TextFormat,
)
from perpend.serving.dialects.own import Asked, missing, not_supported, request_of
from perpend.serving.fields import Ignored
from perpend.types import (
    Form,
    Image,
    Message,
    NamedTool,
    OutputFormat,
    Part,
    Role,
    Sampling,
    Text,
    Thought,
    Tool,
    ToolChoice,
    ToolResult,
    ToolUse,
    new_id,
)

_decoder = msgspec.json.Decoder(ResponsesRequest)
_PASSED_OVER = (
    *("service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    *("prompt_cache_options", "top_logprobs", "max_tool_calls", "context_management", "moderation"),
)
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class ResponsesParsed(Parsed, frozen=True, gc=False, kw_only=True):
    id: str
    created_at: int
    """Seconds since 1970."""
    echo: Echo
    conversation: tuple[Message, ...]
    """Without the instructions, which hold for one turn."""
    key_id: str | None
    brought: list[InputItem] = msgspec.field(default_factory=list[InputItem])
    """What the request brought to it."""


def decoded(body: bytes, ignored: Ignored) -> ResponsesRequest:
    """The body's fields. Raises BadRequest naming the first one that is wrong or not supported."""
    asked = decode(_decoder, body, ignored)
    if asked.prompt:
        raise not_supported("prompt")
    ignored.unused(asked, _PASSED_OVER)
    if asked.truncation == "auto":
        ignored.add("truncation")
    if asked.background and asked.store is False:
        raise BadRequest(
            "a background response that isn't stored can't be asked for",
            hint="leave out store",
            field="store",
        )
    return asked


def parsed(
    asked: ResponsesRequest,
    before: tuple[Message, ...],
    config: Config,
    key_id: str | None,
    ignored: Ignored,
) -> ResponsesParsed:
    """`before` is the conversation that the request goes on from. Raises BadRequest naming the field."""
    new = messages_of(asked.input or [], config, ignored)
    if not new and (asked.input or not before):
        raise BadRequest("nothing is asked", hint="send text, or a message", field="input")
    conversation = with_results_together([*before, *new])
    told = (Message("system", asked.instructions),) if asked.instructions else ()
    reasoning = asked.reasoning or ReasoningConfig()
    if asked.reasoning_effort is None:
        asked.reasoning_effort = reasoning.effort
    if asked.thinking_visibility is None and (reasoning.summary or reasoning.generate_summary):
        asked.thinking_visibility = "summary"
    verbosity = None if asked.text is None or asked.text.verbosity == "medium" else asked.text.verbosity
    sampling = Sampling(temperature=asked.temperature, top_p=asked.top_p, verbosity=verbosity)
    form = _form(asked, ignored)
    canonical = Asked((*told, *conversation), asked.model, asked.max_output_tokens, sampling, form)
    echo = Echo(
        background=bool(asked.background),
        conversation=asked.conversation if isinstance(asked.conversation, ConversationRef) else UNSET,
        instructions=asked.instructions,
        max_output_tokens=asked.max_output_tokens,
        metadata=asked.metadata or {},
        parallel_tool_calls=asked.parallel_tool_calls is not False,
        previous_response_id=asked.previous_response_id,
        reasoning=reasoning,
        store=asked.store is not False,
        temperature=asked.temperature,
        text=TextConfig((asked.text and asked.text.format) or TextFormat("text")),
        tool_choice=asked.tool_choice or "auto",
        tools=tuple(asked.tools or ()),
        top_p=asked.top_p,
        user=asked.user,
    )
    return ResponsesParsed(
        request=request_of(canonical, asked, config, ignored),
        stream=bool(asked.stream),
        id=new_id("resp"),
        created_at=int(time.time()),
        echo=echo,
        conversation=conversation,
        key_id=key_id,
    )


def messages_of(given: str | list[InputItem], config: Config, ignored: Ignored) -> list[Message]:
    """What an assistant said in one turn is one message, however many items it is."""
    if isinstance(given, str):
        return [Message("user", given)]
    messages: list[Message] = []
    turn: list[Part] = []

    def end_turn() -> None:
        if turn:
            messages.append(Message("assistant", plain(turn)))
            turn.clear()

    for i, item in enumerate(given):
        path = f"input[{i}]"
        if item.type in ("reasoning", "function_call") or (
            item.type == "message" and item.role == "assistant"
        ):
            _said(item, path, config, turn)
            continue
        if item.type not in ("function_call_output", "message"):
            ignored.add(path, f"an item of type {item.type[:80]!r}")
            continue
        end_turn()
        if item.type == "function_call_output":
            messages.append(Message("tool", (_result(item, path, config),)))
        else:
            if item.role is None:
                raise missing(f"{path}.role", "user, assistant, system or developer")
            content = plain(_contents(item.content, f"{path}.content", config))
            messages.append(Message(_ROLES[item.role], content))
    end_turn()
    return messages


def _said(item: InputItem, path: str, config: Config, turn: list[Part]) -> None:
    if item.type == "function_call":
        if item.call_id is None or item.name is None:
            field = f"{path}.{'name' if item.call_id else 'call_id'}"
            raise missing(field, f"add {field}")
        turn.append(ToolUse(item.call_id, item.name, item.arguments or ""))
    elif item.type == "message":
        turn += [part for part in _contents(item.content, f"{path}.content", config) if _says(part)]
    else:
        content = item.content if isinstance(item.content, list) else []
        text = "".join([piece.text or "" for piece in content])
        sealed = unseal(item.encrypted_content or "")
        if sealed is None:
            if text:
                turn.append(Thought(text))
        elif sealed.place == "thought":
            turn.append(Thought(text, sealed.carry))
        else:
            give_back(sealed, turn)


def _says(part: Text | Image) -> bool:
    return not isinstance(part, Text) or bool(part.text)


def _result(item: InputItem, path: str, config: Config) -> ToolResult:
    if item.call_id is None:
        raise missing(f"{path}.call_id", "name the tool call that this is the output of")
    output = item.output or ""
    content = output if isinstance(output, str) else plain(_contents(output, f"{path}.output", config))
    return ToolResult(item.call_id, content)


def _contents(content: str | list[InputContent] | None, path: str, config: Config) -> list[Text | Image]:
    if content is None:
        raise missing(path, "send text, or a list of input_text and input_image")
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Text | Image] = []
    for i, piece in enumerate(content):
        where = f"{path}[{i}]"
        if piece.type in ("input_text", "output_text", "text"):
            if piece.text is None:
                raise missing(f"{where}.text", "a text needs its text")
            parts.append(Text(piece.text))
        elif piece.type == "refusal":
            parts.append(Text(piece.refusal or ""))
        elif piece.type == "input_image":
            if piece.image_url is None:
                raise missing(f"{where}.image_url", "an image needs its address")
            parts.append(image(piece.image_url, f"{where}.image_url", config, piece.detail))
        else:
            hint = "input_text and input_image are"
            raise not_supported(f"{where}.type", f"content of type {piece.type[:80]!r}", hint)
    return parts


def _form(asked: ResponsesRequest, ignored: Ignored) -> Form:
    choice = asked.tool_choice
    wanted: ToolChoice | None
    if isinstance(choice, ResponsesToolChoice):
        if choice.type != "function" or choice.name is None:
            hint = '"auto", "none", "required" or {"type": "function", "name": …}'
            raise not_supported("tool_choice", f"tool_choice of type {choice.type[:80]!r}", hint)
        wanted = NamedTool(choice.name)
    else:
        wanted = cast("ToolChoice | None", choice)
    tools = [made for i, tool in enumerate(asked.tools or []) if (made := _tool(i, tool, ignored))]
    return form_of(tools, wanted, asked.parallel_tool_calls, _output(asked))


def _tool(index: int, tool: ResponsesTool, ignored: Ignored) -> Tool | None:
    if tool.type != "function":
        return ignored.add(f"tools[{index}]", f"a tool of type {tool.type[:80]!r}")
    if tool.name is None:
        raise missing(f"tools[{index}].name", "a tool needs a name")
    return Tool(
        name=tool.name,
        description=tool.description or "",
        parameters=tool.parameters or {"type": "object", "properties": {}},
        strict=tool.strict,
    )


def _output(asked: ResponsesRequest) -> OutputFormat | None:
    wanted = asked.text.format if asked.text is not None else None
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return OutputFormat()
    if wanted.schema is None:
        raise missing("text.format.schema", "the JSON schema of the answer")
    description = wanted.description or ""
    return OutputFormat(schema=wanted.schema, name=wanted.name, description=description, strict=wanted.strict)
