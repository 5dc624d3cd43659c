"""From the items of a response's input to messages."""

from typing import Any

import msgspec

from perpend.config.schema import Config
from perpend.serving.dialects.documents import from_url, sent_inside
from perpend.serving.dialects.images import image
from perpend.serving.dialects.openai_responses_compaction import ASKED, TRIGGER, opened
from perpend.serving.dialects.openai_responses_schema import InputContent, InputItem
from perpend.serving.dialects.openai_responses_tools import flat
from perpend.serving.dialects.output_specs import plain
from perpend.serving.dialects.provider_states import give_back, unseal
from perpend.serving.fields import Ignored, missing, not_supported
from perpend.types import (
    Document,
    Image,
    Message,
    Part,
    Role,
    Text,
    Thought,
    ToolResult,
    ToolUse,
    custom_arguments,
)

_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_CALLS = {
    "function_call": "",
    "custom_tool_call": "",
    "tool_search_call": "tool_search",
    "local_shell_call": "local_shell",
}
"""Calls of tools that clients answer, and the name of the tool where the item doesn't tell it."""
_OUTPUTS = (
    "function_call_output",
    "custom_tool_call_output",
    "tool_search_output",
    "local_shell_call_output",
)
_OFFERS = ("additional_tools",)
"""Read elsewhere: they say nothing to the model."""


def messages_of(
    given: list[InputItem], config: Config, ignored: Ignored, field: str = "input"
) -> list[Message]:
    """What an assistant said in one turn is one message, however many items it is. Raises BadRequest naming `field`."""
    messages: list[Message] = []
    turn: list[Part] = []

    def end_turn() -> None:
        if turn:
            messages.append(Message("assistant", plain(turn)))
            turn.clear()

    for i, item in enumerate(given):
        path = f"{field}[{i}]"
        if item.type in _CALLS:
            turn.append(_call(item, path))
        elif item.type == "reasoning":
            _think(item, path, turn, ignored)
        elif item.type == "message" and item.role == "assistant":
            turn += [part for part in _contents(item.content, f"{path}.content", config) if _says(part)]
        elif item.type in _OUTPUTS:
            end_turn()
            messages.append(Message("tool", (_result(item, path, config),)))
        elif item.type == "message":
            end_turn()
            messages.append(_message(item, path, config))
        elif item.type == "compaction" and (summary := opened(item.encrypted_content or "")):
            end_turn()
            messages.append(summary)
        elif item.type == TRIGGER and i == len(given) - 1:
            end_turn()
            messages.append(ASKED)
        elif item.type not in _OFFERS:
            ignored.add(path, f"an item of type {item.type[:80]!r}")
    end_turn()
    return messages


def _message(item: InputItem, path: str, config: Config) -> Message:
    if item.role is None:
        raise missing(f"{path}.role", "user, assistant, system or developer")
    return Message(_ROLES[item.role], plain(_contents(item.content, f"{path}.content", config)))


def _call(item: InputItem, path: str) -> ToolUse:
    name = item.name or _CALLS[item.type]
    id_ = item.call_id or item.id
    if id_ is None or not name:
        field = f"{path}.{'name' if id_ else 'call_id'}"
        raise missing(field, f"add {field}")
    if item.type == "custom_tool_call":
        return ToolUse(id_, flat(name, item.namespace), custom_arguments(item.input or ""))
    arguments = item.action if item.type == "local_shell_call" else item.arguments
    return ToolUse(id_, flat(name, item.namespace), _as_json(arguments))


def _as_json(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


def _think(item: InputItem, path: str, turn: list[Part], ignored: Ignored) -> None:
    content = item.content if isinstance(item.content, list) else []
    text = "".join([piece.text or "" for piece in content])
    sealed = unseal(item.encrypted_content or "")
    if sealed is None:
        if item.encrypted_content:
            ignored.unknown(f"{path}.encrypted_content")  # another one's, whom it doesn't reach from here
        if text:
            turn.append(Thought(text))
    elif sealed.place == "thought":
        turn.append(Thought(text, sealed.provider_state))
    else:
        give_back(sealed, turn)


def _says(part: Text | Image | Document) -> bool:
    return not isinstance(part, Text) or bool(part.text)


def _result(item: InputItem, path: str, config: Config) -> ToolResult:
    id_ = item.call_id or (item.id if item.type == "local_shell_call_output" else None)
    if id_ is None:
        raise missing(f"{path}.call_id", "name the tool call that this is the output of")
    if item.type == "tool_search_output":
        found = [tool.name or tool.type for tool in item.tools or []]
        return ToolResult(id_, f"Tools that can be called now: {', '.join(found) or 'none'}")
    output = item.output or ""
    content = output if isinstance(output, str) else plain(_contents(output, f"{path}.output", config))
    return ToolResult(id_, content)


def _contents(
    content: str | list[InputContent] | InputContent | None, path: str, config: Config
) -> list[Text | Image | Document]:
    if content is None:
        raise missing(path, "send text, or a list of input_text and input_image")
    if isinstance(content, str):
        return [Text(content)]
    parts: list[Text | Image | Document] = []
    for i, piece in enumerate(content if isinstance(content, list) else [content]):
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
        elif piece.type == "input_file" and piece.file_url:
            parts.append(from_url(piece.file_url, piece.filename or "", f"{where}.file_url"))
        elif piece.type == "input_file":
            parts.append(sent_inside(piece, where))
        else:
            hint = "input_text, input_image and input_file are"
            raise not_supported(f"{where}.type", f"content of type {piece.type[:80]!r}", hint)
    return parts
