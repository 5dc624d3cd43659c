"""What a request can be asked to do with: as it was prepared, and less from there down."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from perpend.serving.admission.history import ExpectedTokens, RequestKind, TokenHistory
from perpend.solve import Prepared, ServedModel, lowered, narrowed
from perpend.strategies import draws_of

Steps = Callable[[ServedModel, int], tuple[int, ...]]
"""Thinking budgets at which a model is of use: the one that a candidate has, and lower ones."""


class Level(NamedTuple):
    thinking: int
    """The budget of the whole request."""
    candidates: int
    calls: int
    """At once."""
    expected: ExpectedTokens
    """Of all candidates together."""

    def seconds(self, model: ServedModel, *, most: bool = False) -> float:
        """From its first call to its end; `most`: one in ten takes longer."""
        return self.work_s(model, most=most) / self.calls

    def work_s(self, model: ServedModel, *, most: bool = False) -> float:
        """Seconds of the model's calls, all together; `most`: one in ten takes more. 0 before any was measured: nobody
        is given less by a guess.
        """
        speed = model.speed
        if not speed.measured:
            return 0.0
        tokens = self.expected.p90 if most else self.expected.p50
        return self.candidates * speed.first_token_s + tokens / speed.tokens_per_s


def candidates_of(prepared: Prepared) -> int:
    draws = draws_of(prepared.strategy)
    return 1 if draws is None else draws.of(prepared.options)


def calls_of(prepared: Prepared) -> int:
    """At once."""
    candidates = candidates_of(prepared)
    return 1 if candidates == 1 else min(candidates, prepared.model.width())


def level_of(prepared: Prepared, history: TokenHistory) -> Level:
    """As it is prepared."""
    return _level(prepared, history, prepared.budget.thinking, candidates_of(prepared))


def levels_below(prepared: Prepared, kept: Level, history: TokenHistory, steps: Steps) -> list[Level]:
    """Thinking goes down by the model's steps, then the candidates become fewer by half; `kept` isn't among them."""
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
    """Raises PerpendError."""
    if level.thinking < prepared.budget.thinking:
        prepared = lowered(prepared, "load", thinking=level.thinking)
    return narrowed(prepared, "load", level.candidates)


def kind_of(prepared: Prepared, thinking: int) -> RequestKind:
    """`thinking`: the budget of one candidate."""
    return RequestKind(prepared.model.name, thinking, prepared.plan.strategy, prepared.input_bound)


def _level(prepared: Prepared, history: TokenHistory, thinking: int, candidates: int) -> Level:
    one = history.expected(kind_of(prepared, thinking // candidates), prepared.budget.max_answer)
    expected = one if candidates == 1 else ExpectedTokens(one.p50 * candidates, one.p90 * candidates)
    return Level(thinking, candidates, min(candidates, prepared.model.width()), expected)
