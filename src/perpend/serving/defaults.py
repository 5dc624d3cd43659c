"""A key's defaults for its requests."""

from msgspec.structs import replace

from perpend.serving.auth import Key
from perpend.types import Request


def with_defaults(request: Request, key: Key) -> Request:
    """`request` with the key's defaults.

    The key's model replaces the request's own, because programs name one vendor's models whatever serves them. Other
    defaults only fill what the request leaves out.
    """
    if key.model is key.effort is key.max_thinking_tokens is key.deadline_ms is None:
        return request
    limits = request.limits
    thinking, deadline_ms = limits.max_thinking_tokens, limits.deadline_ms
    has_effort = request.effort is not None or thinking is not None
    return replace(
        request,
        model=key.model or request.model,
        effort=request.effort if has_effort else key.effort,
        limits=replace(
            limits,
            max_thinking_tokens=key.max_thinking_tokens if thinking is None else thinking,
            deadline_ms=key.deadline_ms if deadline_ms is None else deadline_ms,
        ),
    )
