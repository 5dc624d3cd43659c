"""Turn the items of a response's input into messages."""

from typing import Any

import msgspec

from perpend.config.schema import Config
from perpend.serving.dialects.documents import data_url_document, inline_document
from perpend.serving.dialects.images import image
from perpend.serving.dialects.openai_responses_compaction import SUMMARY_REQUEST, TRIGGER, unseal_summary
from perpend.serving.dialects.openai_responses_schema import InputContent, InputItem
from perpend.serving.dialects.openai_responses_tools import flat_name
from perpend.serving.dialects.output_specs import canonical_content
from perpend.serving.dialects.provider_states import attach_provider_state, unseal
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
"""Tool calls that clients run, with the tool's name where the item has none."""
_OUTPUTS = (
    "function_call_output",
    "custom_tool_call_output",
    "tool_search_output",
    "local_shell_call_output",
)
_OFFERS = ("additional_tools",)
"""Items that offer tools; `openai_responses_tools` reads them."""


def messages_of(
    items: list[InputItem], config: Config, ignored: Ignored, field: str = "input"
) -> list[Message]:
    """The items as messages; an assistant's consecutive items become one message.

    Raises BadRequest naming the part of `field` that is wrong.
    """
    messages: list[Message] = []
    turn: list[Part] = []

    def end_turn() -> None:
        if turn:
            messages.append(Message("assistant", canonical_content(turn)))
            turn.clear()

    for i, item in enumerate(items):
        path = f"{field}[{i}]"
        if item.type in _CALLS:
            turn.append(_call(item, path))
        elif item.type == "reasoning":
            _add_reasoning(item, path, turn, ignored)
        elif item.type == "message" and item.role == "assistant":
            turn += [
                part for part in _contents(item.content, f"{path}.content", config) if _has_content(part)
            ]
        elif item.type in _OUTPUTS:
            end_turn()
            messages.append(Message("tool", (_result(item, path, config),)))
        elif item.type == "message":
            end_turn()
            messages.append(_message(item, path, config))
        elif item.type == "compaction" and (summary := unseal_summary(item.encrypted_content or "")):
            end_turn()
            messages.append(summary)
        elif item.type == TRIGGER and i == len(items) - 1:
            end_turn()
            messages.append(SUMMARY_REQUEST)
        elif item.type not in _OFFERS:
            ignored.add(path, f"an item of type {item.type[:80]!r}")
    end_turn()
    return messages


def _message(item: InputItem, path: str, config: Config) -> Message:
    if item.role is None:
        raise missing(f"{path}.role", "send user, assistant, system or developer")
    return Message(_ROLES[item.role], canonical_content(_contents(item.content, f"{path}.content", config)))


def _call(item: InputItem, path: str) -> ToolUse:
    name = item.name or _CALLS[item.type]
    id_ = item.call_id or item.id
    if id_ is None or not name:
        field = f"{path}.{'name' if id_ else 'call_id'}"
        raise missing(field, f"add {field}")
    if item.type == "custom_tool_call":
        return ToolUse(id_, flat_name(name, item.namespace), custom_arguments(item.input or ""))
    arguments = item.action if item.type == "local_shell_call" else item.arguments
    return ToolUse(id_, flat_name(name, item.namespace), _as_json(arguments))


def _as_json(arguments: Any) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return msgspec.json.encode(arguments).decode()


def _add_reasoning(item: InputItem, path: str, turn: list[Part], ignored: Ignored) -> None:
    content = item.content if isinstance(item.content, list) else []
    text = "".join([piece.text or "" for piece in content])
    sealed = unseal(item.encrypted_content or "")
    if sealed is None:
        if item.encrypted_content:
            ignored.add_unknown(f"{path}.encrypted_content")  # another gateway's
        if text:
            turn.append(Thought(text))
    elif sealed.part == "thought":
        turn.append(Thought(text, sealed.provider_state))
    else:
        attach_provider_state(sealed, turn)


def _has_content(part: Text | Image | Document) -> bool:
    return not isinstance(part, Text) or bool(part.text)


def _result(item: InputItem, path: str, config: Config) -> ToolResult:
    id_ = item.call_id or (item.id if item.type == "local_shell_call_output" else None)
    if id_ is None:
        raise missing(f"{path}.call_id", "send the id of the tool call that this answers")
    if item.type == "tool_search_output":
        names = [tool.name or tool.type for tool in item.tools or []]
        return ToolResult(id_, f"Tools that can be called now: {', '.join(names) or 'none'}")
    output = item.output or ""
    content = (
        output if isinstance(output, str) else canonical_content(_contents(output, f"{path}.output", config))
    )
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
                raise missing(f"{where}.text", "send the text")
            parts.append(Text(piece.text))
        elif piece.type == "refusal":
            parts.append(Text(piece.refusal or ""))
        elif piece.type == "input_image":
            if piece.image_url is None:
                raise missing(f"{where}.image_url", "send the image's address")
            parts.append(image(piece.image_url, f"{where}.image_url", config, piece.detail))
        elif piece.type == "input_file" and piece.file_url:
            parts.append(data_url_document(piece.file_url, piece.filename or "", f"{where}.file_url"))
        elif piece.type == "input_file":
            parts.append(inline_document(piece, where))
        else:
            hint = "send input_text, input_image or input_file"
            raise not_supported(f"{where}.type", f"content of type {piece.type[:80]!r}", hint)
    return parts
