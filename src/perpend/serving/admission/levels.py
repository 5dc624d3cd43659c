"""Levels of a request: as it was prepared, and lowered step by step."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from perpend.serving.admission.history import ExpectedTokens, RequestKind, TokenHistory
from perpend.solve import Prepared, ServedModel, lowered, narrowed
from perpend.strategies import draws_of

Steps = Callable[[ServedModel, int], tuple[int, ...]]
"""Returns the useful thinking budgets of a model, in tokens: from a candidate's budget downwards."""


class Level(NamedTuple):
    thinking: int
    """The thinking budget of the whole request, in tokens."""
    candidates: int
    calls: int
    """Concurrent calls."""
    expected: ExpectedTokens
    """Predicted tokens of all candidates together."""

    def seconds(self, model: ServedModel, *, most: bool = False) -> float:
        """Predicts the seconds from first call to end: the median, or with `most` the 90th percentile."""
        return self.work_s(model, most=most) / self.calls

    def work_s(self, model: ServedModel, *, most: bool = False) -> float:
        """Predicts the seconds of all calls together: the median, or with `most` the 90th percentile.

        Returns 0 before the model's speed is measured, so that no request is lowered by a guess.
        """
        speed = model.speed
        if not speed.measured:
            return 0.0
        tokens = self.expected.p90 if most else self.expected.p50
        return self.candidates * speed.first_token_s + tokens / speed.tokens_per_s


def candidates_of(prepared: Prepared) -> int:
    """Returns the number of candidates that the strategy draws."""
    draws = draws_of(prepared.strategy)
    return 1 if draws is None else draws.of(prepared.options)


def calls_of(prepared: Prepared) -> int:
    """Returns the number of concurrent calls."""
    candidates = candidates_of(prepared)
    return 1 if candidates == 1 else min(candidates, prepared.model.width())


def level_of(prepared: Prepared, history: TokenHistory) -> Level:
    """Returns the level of the request as prepared."""
    return _level(prepared, history, prepared.budget.thinking, candidates_of(prepared))


def levels_below(prepared: Prepared, kept: Level, history: TokenHistory, steps: Steps) -> list[Level]:
    """Returns the levels below `kept`: first less thinking by the model's steps, then half as many candidates each."""
    found = dict.fromkeys(_below(prepared, kept, steps))
    return [_level(prepared, history, thinking, candidates) for thinking, candidates in found]


def _below(prepared: Prepared, kept: Level, steps: Steps) -> Iterator[tuple[int, int]]:
    candidates, draws = kept.candidates, draws_of(prepared.strategy)
    each = kept.thinking // candidates
    thinking = each
    for thinking in steps(prepared.model, each):
        if thinking < each:
            yield thinking * candidates, candidates
    if draws is not None and draws.least is not None:
        while candidates > draws.least:
            candidates = max(draws.least, candidates // 2)
            yield thinking * candidates, candidates


def lowered_to(prepared: Prepared, level: Level) -> Prepared:
    """Returns the request lowered to a level. Raises PerpendError where it can't run at it."""
    if level.thinking < prepared.budget.thinking:
        prepared = lowered(prepared, "load", thinking=level.thinking)
    return narrowed(prepared, "load", level.candidates)


def kind_of(prepared: Prepared, thinking: int) -> RequestKind:
    """Returns the kind of one candidate, whose budget is `thinking` tokens."""
    return RequestKind(prepared.model.name, thinking, prepared.plan.strategy, prepared.input_bound)


def _level(prepared: Prepared, history: TokenHistory, thinking: int, candidates: int) -> Level:
    one = history.expected(kind_of(prepared, thinking // candidates), prepared.budget.max_answer)
    expected = one if candidates == 1 else ExpectedTokens(one.p50 * candidates, one.p90 * candidates)
    return Level(thinking, candidates, min(candidates, prepared.model.width()), expected)
