"""Decides which requests are looked up and which answers are kept."""

from collections.abc import Iterator
from typing import Any, Literal, cast

from perpend.solve import Prepared
from perpend.strategies import compares_by_verifier
from perpend.types import COMPLETE, Answer, Candidate, Request, ToolUse


def looked_up(request: Request, use: Literal["asked", "always"]) -> bool:
    """Returns the request's own choice; without one True if the cache is for all and no variety is wanted."""
    if request.cache is None:
        return use == "always" and not _wants_variety(request)
    return request.cache


def _wants_variety(request: Request) -> bool:
    """Tells whether the answer should vary: several samples, or a temperature without a seed."""
    sampling = request.sampling
    return request.strategy.name == "samples" or (bool(sampling.temperature) and sampling.seed is None)


def may_be_kept(answer: Answer, prepared: Prepared) -> bool:
    """Tells whether an answer is complete, not empty, without tool calls, and made as requested.

    A tool call has effects, so a cache must not repeat one.
    """
    return (
        not answer.truncated
        and bool(answer.text)
        and not answer.tool_calls
        and all(map(_is_answer, _choices(answer)))
        and (answer.summaries is None or answer.summaries.off is None)
        and _verified(answer, prepared)
        and _by_who_was_asked(answer, prepared)
    )


def _choices(answer: Answer) -> tuple[Candidate, ...]:
    """Returns the choices that are returned with the answer."""
    return answer.candidates if answer.plan.strategy == "samples" else ()


def _is_answer(choice: Candidate) -> bool:
    return choice.stop_reason in COMPLETE and not any(isinstance(part, ToolUse) for part in choice.content)


def _verified(answer: Answer, prepared: Prepared) -> bool:
    """Tells whether a requested verification took place: the verifier may have failed, or had no time left."""
    spec = prepared.request.strategy.verifier or prepared.request.verifier
    if spec is None or answer.verdict is not None:
        return True
    return spec.gold is None and compares_by_verifier(prepared.strategy)


def _by_who_was_asked(answer: Answer, prepared: Prepared) -> bool:
    """Tells whether a requested model answered, not a fallback for one whose upstream failed."""
    return answer.model == prepared.model.name or answer.model in _texts(prepared.request.strategy.options)


def _texts(options: Any) -> Iterator[str]:
    """Yields all strings in options, those of nested strategies too."""
    if isinstance(options, str):
        yield options
    elif isinstance(options, dict):
        yield from _texts([*cast("dict[str, Any]", options).values()])
    elif isinstance(options, list):
        for one in cast("list[Any]", options):
            yield from _texts(one)
