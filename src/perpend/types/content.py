"""The parts that messages and answers are made of."""

from typing import TypeAlias

from msgspec import Struct


class ProviderState(Struct, frozen=True):
    """Opaque data that a vendor wants back unchanged on the next turn: a thought's signature, an encrypted item."""

    origin: str
    """The provider that made it; it is sent to no other one."""
    data: str


class Text(Struct, frozen=True, tag="text"):
    text: str
    provider_state: ProviderState | None = None


class Image(Struct, frozen=True, tag="image"):
    url: str
    """`data:MEDIA-TYPE;base64,…`, or a web address that the vendor fetches."""
    detail: str | None = None


class Document(Struct, frozen=True, tag="document"):
    """A PDF, before its text is extracted."""

    data: str
    """Base64."""
    name: str = ""


class Thought(Struct, frozen=True, tag="thought"):
    """A block of thinking; its text is empty where the vendor gives only its state."""

    text: str
    provider_state: ProviderState | None = None


class ToolUse(Struct, frozen=True, tag="tool_use"):
    id: str
    name: str
    arguments: str
    """JSON, exactly as the model wrote it."""
    provider_state: ProviderState | None = None


class ToolResult(Struct, frozen=True, tag="tool_result"):
    tool_use_id: str
    content: str | tuple[Text | Image | Document, ...]
    failed: bool = False


Part: TypeAlias = Text | Image | Document | Thought | ToolUse | ToolResult
