"""A conversation that is too long for the model's context, where the client lets it be shortened.

What is oldest goes first: whole turns, then of the last turn what came right after its question, a tool call together
with its results. System messages, the last question and the last thing said stay, whatever their size.
"""

from msgspec.structs import replace

from perpend.solve.count import bounded_input
from perpend.solve.model import ServedModel
from perpend.types import Message, Request

_SHARE = 4
"""Of the context, one part in so many is left to what is generated, or what an answer usually needs if that is less."""


async def truncated(request: Request, model: ServedModel) -> Request:
    """The request, as long as it may be; what was dropped is named in `ignored`. Raises UpstreamError."""
    if model.context is None:
        return request
    wanted = min(model.answer_tokens, model.context // _SHARE)

    async def fits(messages: tuple[Message, ...]) -> bool:
        bound = await bounded_input(request, model, messages, wanted=wanted)
        return model.context is not None and bound + wanted <= model.context

    shorter = _shorter(request.messages)
    first, last = 0, len(shorter) - 1
    while first < last:
        middle = (first + last) // 2
        if await fits(shorter[middle]):
            last = middle
        else:
            first = middle + 1
    dropped = len(request.messages) - len(shorter[first])
    if not dropped:
        return request
    oldest = f"the {dropped} oldest messages" if dropped > 1 else "the oldest message"
    return replace(request, messages=shorter[first], ignored=(*request.ignored, oldest))


def _shorter(messages: tuple[Message, ...]) -> list[tuple[Message, ...]]:
    """The conversation, and each that is one step shorter."""
    told = tuple([message for message in messages if message.role == "system"])
    said = [message for message in messages if message.role != "system"]
    questions = [at for at, message in enumerate(said) if message.role == "user"] or [0]
    shorter = [(*told, *said[at:]) for at in questions if at]
    question = questions[-1]
    steps = [at for at in range(question + 2, len(said)) if said[at].role == "assistant"]
    shorter += [(*told, said[question], *said[at:]) for at in steps]
    return [messages, *shorter]
