"""Anthropic's prompt caching: `cache_control` marks on a request, its tools or its content blocks."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

Mark = dict[str, Any]
_MARK: Mark = {"type": "ephemeral"}
"""Anthropic's five-minute cache, also where a client asks for an hour, which costs more than a prompt's reservation."""


class Marked(Protocol):
    """A part, a block or a tool that may carry a mark."""

    @property
    def cache_control(self) -> Mark | None: ...


def mark(request: Mark | None, contents: Iterable[str | Sequence[Marked] | None]) -> Mark | None:
    """A mark for the whole prompt, where the request or any part of its contents has one.

    Marks inside the prompt aren't passed on: Anthropic finds shorter cached prefixes by itself.
    """
    parts = (part for content in contents if content and not isinstance(content, str) for part in content)
    return _MARK if request is not None or any(part.cache_control is not None for part in parts) else None
