"""Prompt tokens of a call before it is made."""

from perpend.backends.contract import Call
from perpend.solve.model import ServedModel
from perpend.types import Message, Request


async def count_input(request: Request, model: ServedModel) -> int:
    """The server's own count where it can be asked, else an estimate. Raises UpstreamError."""
    thinks = request.effort != "none"
    call = Call(
        model=model.upstream_name,
        family=model.family,
        messages=request.messages,
        max_tokens=1,
        by_default=True,
        output_spec=request.output_spec,
        continuation=model.family.open if thinks and model.backend.supports_prefix else "",
    )
    counted = await model.backend.count_input(call)
    return model.input_estimate(call) if counted is None else counted


async def bounded_input(
    request: Request, model: ServedModel, messages: tuple[Message, ...], *, wanted: int, thought: str = ""
) -> int:
    """Prompt tokens, and those of a thought to go on from, at most; `wanted` are to be generated after them.

    They are bounded by their bytes; where that bound would bind, the server counts them. One that can't leaves an
    estimate where only the context binds, which it will judge itself, and the bound where dollars do. Raises
    UpstreamError.
    """
    bound = model.input_bound(messages, request.output_spec) + model.thought_bound(thought)
    tight = model.context is not None and bound + wanted > model.context
    costs = request.limits.max_cost_usd is not None and bool(model.price.per_output_token)
    if not tight and not costs:
        return bound
    probe = Call(
        model=model.upstream_name,
        family=model.family,
        messages=messages,
        max_tokens=1,
        by_default=True,
        output_spec=request.output_spec,
        continuation=model.family.open + thought,
    )
    counted = await model.backend.count_input(probe)
    if counted is not None:
        return counted
    return bound if costs else min(bound, model.input_estimate(probe))
