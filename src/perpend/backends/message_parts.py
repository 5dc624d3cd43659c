"""Converts parts of messages as several wires need them."""

import mimetypes
from typing import NamedTuple, TypeVar

import msgspec

from perpend.backends.body import JSONObject
from perpend.backends.contract import state_for
from perpend.errors import UNREADABLE, BadRequest
from perpend.types import Image, Message, OutputFormat, ProviderState, Text, ToolResult, ToolUse

T = TypeVar("T")


class Media(NamedTuple):
    kind: str
    """The media type."""
    data: str
    """Base64."""


def media(image: Image) -> Media | None:
    """The content of a `data:` URL; None for an image at an address."""
    head, comma, data = image.url.partition(";base64,")
    return Media(head.removeprefix("data:"), data) if comma and head.startswith("data:") else None


def media_type(image: Image) -> str:
    """The media type of an image at an address, by the address's ending."""
    return mimetypes.guess_type(image.url.partition("?")[0])[0] or "image/jpeg"


def arguments(use: ToolUse) -> msgspec.Raw:
    """A tool call's arguments as written where they are a JSON object, else wrapped in one."""
    try:
        msgspec.json.decode(use.arguments, type=JSONObject)
    except UNREADABLE:
        return msgspec.Raw(msgspec.json.encode({"arguments": use.arguments} if use.arguments else {}))
    return msgspec.Raw(use.arguments.encode())


def state_value(provider_state: ProviderState | None, origin: str, value_type: type[T]) -> T | None:
    """The JSON value of a state that `origin` gave; None for another's. Raises BadRequest where a client changed it."""
    if (data := state_for(provider_state, origin)) is None:
        return None
    try:
        return msgspec.json.decode(data, type=value_type)
    except UNREADABLE:
        raise BadRequest(
            f"the thinking that {origin} wants back isn't as it was given",
            hint="send the assistant's messages back unchanged, or without their thinking",
            field="messages",
        ) from None


def system(messages: tuple[Message, ...]) -> str:
    """The text of all system messages."""
    return "\n\n".join([message.text for message in messages if message.role == "system"])


def format_instruction(output: OutputFormat) -> str:
    """The instruction that asks for a format in the prompt, where the server doesn't enforce it."""
    if output.schema is None:
        return "Answer with one JSON object and nothing else."
    schema = msgspec.json.encode(output.schema).decode()
    return f"Answer with one JSON object that fits this JSON schema: {schema}"


def result_text(result: ToolResult) -> str:
    """Its text parts, joined."""
    if isinstance(result.content, str):
        return result.content
    return "".join([part.text for part in result.content if isinstance(part, Text)])


def result_images(result: ToolResult) -> list[Image]:
    return [] if isinstance(result.content, str) else [p for p in result.content if isinstance(p, Image)]


def tool_names(messages: tuple[Message, ...]) -> dict[str, str]:
    """Call id -> name of its tool, for wires whose results name the tool."""
    uses = [part for message in messages for part in message.parts if isinstance(part, ToolUse)]
    return {use.id: use.name for use in uses}
