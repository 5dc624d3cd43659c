"""What clients mark for the vendor's prompt cache, wherever in a prompt they do: Anthropic's `cache_control`."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

Mark = dict[str, Any]
_MARK: Mark = {"type": "ephemeral"}
"""For some minutes, whatever a client says: an hour costs more than what is reserved for a prompt."""


class Marked(Protocol):
    """A part, a block or a tool that may carry a mark."""

    @property
    def cache_control(self) -> Mark | None: ...


def mark(whole: Mark | None, places: Iterable[str | Sequence[Marked] | None]) -> Mark | None:
    """A mark for all of the prompt, where the request (`whole`) or any of its parts has one.

    Marks within the prompt tell the vendor to keep earlier ends too; it finds those by itself.
    """
    parts = (part for place in places if place and not isinstance(place, str) for part in place)
    return _MARK if whole is not None or any(part.cache_control is not None for part in parts) else None
