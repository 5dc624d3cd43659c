"""From what was asked to the tokens that may be spent: pure arithmetic, shared by serving and planning.

The answer always has room. Where a client's token limit, the context window or the dollar cap is too small
for both, or a model writes no more, thinking gives way, never the answer.
"""

from decimal import Decimal

from msgspec import Struct

from perpend.errors import CapReached, PromptTooLong
from perpend.types import Effort, Limits, LoweredBy

_FLOOR = 32
"""Tokens that an answer needs to say anything at all."""
_TAGS = 32
"""Context kept for think tags and prompts that the family inserts."""


class Costs(Struct, frozen=True, kw_only=True):
    """Worst-case dollars: `fixed` once a request, the others for each token."""

    fixed: Decimal = Decimal(0)
    thinking: Decimal = Decimal(0)
    answer: Decimal = Decimal(0)


class ModelBounds(Struct, frozen=True):
    """What a model does at most, whoever asks; None: not known."""

    output: int | None = None
    """Tokens of thinking and answer together."""
    thinking: int | None = None


_ANYTHING = ModelBounds()


class TokenBudget(Struct, frozen=True, kw_only=True):
    requested_thinking: int
    thinking: int
    """What may be spent: the requested tokens, or fewer when `lowered_by` says why."""
    answer: int
    """The answer's limit when all the thinking was used."""
    output: int
    """Thinking and answer together: thinking that wasn't used is the answer's to take, up to `max_answer`."""
    max_answer: int
    lowered_by: LoweredBy | None = None


def token_budget(
    limits: Limits,
    effort: Effort,
    effort_tokens: dict[Effort, int],
    answer_tokens: int,
    *,
    context: int | None = None,
    prompt: int = 0,
    costs: Costs | None = None,
    model: ModelBounds = _ANYTHING,
) -> TokenBudget:
    """Resolve a request's budget.

    `model` is what the model does at most, `context` is the window and `prompt` what is taken of it, in tokens; `costs`
    are given where a dollar cap is.
    Raises PromptTooLong when no room is left for an answer, CapReached when the cap can't pay for one.
    """
    explicit = limits.max_thinking_tokens
    requested = 0 if effort == "none" else effort_tokens[effort] if explicit is None else explicit
    keep_share = _FLOOR if explicit is not None else 0
    thinking, answer = requested, answer_tokens
    lowered: LoweredBy | None = None
    if model.thinking is not None and thinking > model.thinking:
        thinking, lowered = model.thinking, "model"
    max_answer = answer_tokens
    if limits.max_output_tokens is not None:
        max_answer = limits.max_output_tokens
        thinking, answer, cut = _fit(thinking, answer_tokens, limits.max_output_tokens, keep_share)
        lowered = "max_tokens" if cut else lowered
    if model.output is not None:
        max_answer = min(max_answer, model.output)
        thinking, answer, cut = _fit(thinking, answer, model.output, answer)
        lowered = "model" if cut else lowered
    if context is not None:
        room = context - prompt - _TAGS
        if room < 1:
            raise PromptTooLong(prompt, max(0, context - _TAGS - 1))
        max_answer = min(max_answer, room)
        thinking, answer, cut = _fit(thinking, answer, room, keep_share)
        lowered = "context" if cut else lowered
    if limits.max_cost_usd is not None and costs is not None:
        thinking, answer, cut = _fit_cost(thinking, answer, limits.max_cost_usd, costs)
        lowered = "cost_cap" if cut else lowered
    output = thinking + answer
    if limits.max_output_tokens is not None and lowered in (None, "max_tokens", "model"):
        output = limits.max_output_tokens
    if model.output is not None:
        output = min(output, model.output)
    return TokenBudget(
        requested_thinking=requested,
        thinking=thinking,
        answer=answer,
        output=output,
        max_answer=min(max_answer, output),
        lowered_by=lowered,
    )


def _fit(thinking: int, answer: int, room: int, keep: int) -> tuple[int, int, bool]:
    """Thinking and answer within `room`, and whether thinking had to give way.

    `keep` tokens stay the answer's where thinking was asked for in tokens; 0: a quarter of the room.
    """
    if thinking + answer <= room:
        return thinking, answer, False
    kept = min(answer, keep or max(_FLOOR, room // 4), (room + 1) // 2)
    fitted = min(thinking, room - kept)
    return fitted, min(answer, room - fitted), fitted < thinking


def _fit_cost(thinking: int, answer: int, cap: Decimal, costs: Costs) -> tuple[int, int, bool]:
    room = cap - costs.fixed
    needed = min(answer, _FLOOR)
    if room < costs.answer * needed:
        least = costs.fixed + costs.answer * needed
        raise CapReached(
            f"max_cost_usd {cap:f} can't pay for prompt and answer: {needed} tokens may cost ${least:f}",
            hint=f"allow at least {least:f}, shorten the prompt, or choose a cheaper model",
            field="max_cost_usd",
        )
    if costs.thinking * thinking + costs.answer * answer <= room:
        return thinking, answer, False
    kept = max(needed, min(answer, int(room / 2 / costs.answer))) if costs.answer else answer
    affordable = int((room - costs.answer * kept) / costs.thinking) if costs.thinking else thinking
    fitted = min(thinking, affordable)
    left = room - costs.thinking * fitted
    return fitted, min(answer, int(left / costs.answer)) if costs.answer else answer, fitted < thinking
