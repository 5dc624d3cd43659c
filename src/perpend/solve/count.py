"""Prompt tokens of a request that isn't made."""

import msgspec

from perpend.backends.contract import Call
from perpend.solve.model import ServedModel
from perpend.types import Request


async def count_input(request: Request, model: ServedModel) -> int:
    """The server's own count where it can be asked, else an estimate. Raises UpstreamError."""
    thinks = request.effort != "none"
    call = Call(
        model=model.upstream_name,
        family=model.family,
        messages=request.messages,
        max_tokens=1,
        form=request.form,
        continuation=model.family.open if thinks and model.backend.continues else "",
    )
    counted = await model.backend.count_input(call)
    if counted is not None:
        return counted
    tools = request.form.tools
    described = msgspec.json.encode(tools).decode() if tools else ""
    return model.input_estimate(call) + model.speed.estimate_tokens(described)
