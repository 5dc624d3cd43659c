"""What a vendor wants back next turn, as one opaque string that a client keeps and sends again.

A string that isn't ours opens to nothing: then the part stands without it.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal

import msgspec
from msgspec import Struct

from perpend.types import Part, ProviderState, Text, Thought, ToolUse

_MARK = "perpend.1."

StatePart = Literal["thought", "unshown", "text", "tool_call"]
"""`thought`: it ends the thinking that it comes with; `unshown`: a thought whose own text wasn't sent along;
`text`, `tool_call`: it belongs to the text or the tool call before it."""


class Sealed(Struct, frozen=True, array_like=True):
    part: StatePart
    provider_state: ProviderState
    tool_call: str = ""
    """The call's id, where it belongs to one."""


_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Sealed)


def seal(provider_state: ProviderState, part: StatePart, tool_call: str = "") -> str:
    sealed = Sealed(part, provider_state, tool_call)
    return _MARK + urlsafe_b64encode(_encode(sealed)).decode().rstrip("=")


def unseal(text: str) -> Sealed | None:
    """None for what another one wrote, or something that was changed on its way."""
    if not text.startswith(_MARK):
        return None
    body = text[len(_MARK) :]
    try:
        return _decoder.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:  # base64's and msgspec's errors are some
        return None


def attach_provider_state(sealed: Sealed, parts: list[Part]) -> None:
    """What came in a place of its own goes to the part that it belongs to, one of those before it."""
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
