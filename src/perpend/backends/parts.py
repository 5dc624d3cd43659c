"""Parts of messages as JSON, where the wires of several vendors want the same of them."""

import mimetypes
from typing import Any, NamedTuple

import msgspec

from perpend.types import Image, Message, Text, ToolResult, ToolUse


class Media(NamedTuple):
    kind: str
    """Its media type."""
    data: str
    """Base64."""


def media(image: Image) -> Media | None:
    """None: it has to be loaded from its address."""
    head, comma, data = image.url.partition(";base64,")
    return Media(head.removeprefix("data:"), data) if comma and head.startswith("data:") else None


def media_type(image: Image) -> str:
    """As the address's ending tells it."""
    return mimetypes.guess_type(image.url.partition("?")[0])[0] or "image/jpeg"


def arguments(use: ToolUse) -> msgspec.Raw:
    """A tool call's arguments as the model wrote them, where that is a JSON object."""
    try:
        msgspec.json.decode(use.arguments, type=dict[str, Any])
    except msgspec.DecodeError:
        return msgspec.Raw(msgspec.json.encode({"arguments": use.arguments} if use.arguments else {}))
    return msgspec.Raw(use.arguments.encode())


def system(messages: tuple[Message, ...]) -> str:
    """What all system messages say."""
    return "\n\n".join([message.text for message in messages if message.role == "system"])


def result_text(result: ToolResult) -> str:
    if isinstance(result.content, str):
        return result.content
    return "".join([part.text for part in result.content if isinstance(part, Text)])


def result_images(result: ToolResult) -> list[Image]:
    return [] if isinstance(result.content, str) else [p for p in result.content if isinstance(p, Image)]


def tool_names(messages: tuple[Message, ...]) -> dict[str, str]:
    """The tool that each call's id belongs to: some wires answer a call by its name."""
    uses = [part for message in messages for part in message.parts if isinstance(part, ToolUse)]
    return {use.id: use.name for use in uses}
