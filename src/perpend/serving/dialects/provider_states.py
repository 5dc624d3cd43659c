"""Provider state, which a vendor needs back next turn, as one opaque string that clients keep and send again.

A string that Perpend didn't write is dropped, and its part stays without provider state.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

import msgspec
from msgspec import Struct

from perpend.types import Part, ProviderState, Text, Thought, ToolUse

_MARK = "perpend.1."

StatePart = Literal["thought", "unshown", "text", "tool_call"]
"""What the state belongs to. `thought`: the thinking in the same block; `unshown`: a thought whose text the client
wasn't sent; `text`, `tool_call`: the text or the tool call before it."""


class Sealed(Struct, frozen=True, array_like=True):
    """A provider state and what it belongs to."""

    part: StatePart
    provider_state: ProviderState
    tool_call: str = ""
    """The call's id, for the state of a tool call."""


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Sealed)


def seal(provider_state: ProviderState, part: StatePart, tool_call: str = "") -> str:
    """The opaque string of a provider state; `tool_call` is the id of the call that it belongs to."""
    sealed = Sealed(part, provider_state, tool_call)
    return _MARK + urlsafe_b64encode(_encode(sealed)).decode().rstrip("=")


def unseal(text: str) -> Sealed | None:
    """What `seal` encoded; None for a string of another server, or one that was changed."""
    if not text.startswith(_MARK):
        return None
    body = text[len(_MARK) :]
    try:
        return _decoder.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:  # errors of base64 and msgspec are ValueErrors
        return None


def attach_provider_state(sealed: Sealed, parts: list[Part]) -> None:
    """Attach a state that came as a block of its own to the earlier part that it belongs to."""
    last = parts[-1] if parts else None
    if sealed.part == "text":
        if isinstance(last, Text):
            parts[-1] = Text(last.text, sealed.provider_state)
        else:
            parts.append(Text("", sealed.provider_state))
    elif sealed.part == "tool_call":
        for at, part in enumerate(parts):
            if isinstance(part, ToolUse) and part.id == sealed.tool_call:
                parts[at] = ToolUse(part.id, part.name, part.arguments, sealed.provider_state)
    else:
        parts.append(Thought("", sealed.provider_state))
