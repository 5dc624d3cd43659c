"""What messages and answers are made of, in the order in which it was said."""

from typing import TypeAlias

from msgspec import Struct


class ProviderState(Struct, frozen=True):
    """What a vendor wants back unchanged on the next turn: a signature, an encrypted item. Nobody else reads it."""

    origin: str
    """The provider that made it. Any other one never gets to see it."""
    data: str


class Text(Struct, frozen=True, tag="text"):
    text: str
    provider_state: ProviderState | None = None


class Image(Struct, frozen=True, tag="image"):
    url: str
    """`data:MEDIA-TYPE;base64,…`, or an address that the vendor loads itself."""
    detail: str | None = None


class Document(Struct, frozen=True, tag="document"):
    """A PDF, until its text is read."""

    data: str
    """Base64."""
    name: str = ""


class Thought(Struct, frozen=True, tag="thought"):
    """A block of thinking; without text where the vendor gives only what it wants back."""

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
