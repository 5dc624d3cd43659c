"""What holds for a key's requests where they don't say otherwise."""

from msgspec.structs import replace

from perpend.serving.auth import Key
from perpend.types import Request


def with_defaults(request: Request, key: Key) -> Request:
    """`request` as `key` has it.

    The key's model goes before the request's own: programs name the models of one vendor whoever serves them.
    All else is the request's to say.
    """
    if key.model is key.effort is key.max_thinking_tokens is key.deadline_ms is None:
        return request
    limits = request.limits
    thinking, deadline_ms = limits.max_thinking_tokens, limits.deadline_ms
    says_how_much = request.effort is not None or thinking is not None
    return replace(
        request,
        model=key.model or request.model,
        effort=request.effort if says_how_much else key.effort,
        limits=replace(
            limits,
            max_thinking_tokens=key.max_thinking_tokens if thinking is None else thinking,
            deadline_ms=key.deadline_ms if deadline_ms is None else deadline_ms,
        ),
    )
