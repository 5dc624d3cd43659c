"""What requests are expected to take, learned from those that ended.

A candidate's tokens are looked up where most is known of its like: by model, budget, strategy and the prompt's length,
then without the length, then by the model alone. Before anything is known of a model it is nothing: nobody is given
less by a guess.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import NamedTuple

_KEPT = 64
"""Latest candidates of a kind."""
_ENOUGH = 8
"""Of them, to be believed; of a model's, whatever was asked, a single one says more than a guess."""
_EVERY = 16
"""Candidates between two looks at the quantiles."""
_KINDS = 2048
"""That are remembered at most; the least recently used one is forgotten."""


class ExpectedTokens(NamedTuple):
    """Thinking and answer together: the median and the ninth decile."""

    p50: float
    p90: float


_UNKNOWN = ExpectedTokens(0.0, 0.0)


class RequestKind(NamedTuple):
    """What is known of a candidate before it is written."""

    model: str
    thinking: int
    """Its budget, in tokens."""
    strategy: str
    prompt: int | None = None
    """Bound of the prompt's tokens; None: it isn't known."""

    def levels(self) -> tuple[Hashable, ...]:
        """The finest first. Budgets and prompts are alike that differ by less than a factor of two."""
        model, budget = self.model, self.thinking.bit_length()
        coarse = (model, budget, self.strategy)
        if self.prompt is None:
            return coarse, model
        return (*coarse, self.prompt.bit_length()), coarse, model


class _Seen:
    """The latest candidates of one kind."""

    __slots__ = ("_latest", "count", "p50", "p90")

    def __init__(self) -> None:
        self._latest: deque[tuple[float | None, float]] = deque(maxlen=_KEPT)
        self.count = 0
        self.p50 = self.p90 = (0.0, 0.0)
        """Thinking and answer."""

    def add(self, spent: tuple[float | None, float]) -> None:
        """`spent`: thinking, None where it was to be none, and answer."""
        self._latest.append(spent)
        self.count += 1
        if self.count <= _ENOUGH or self.count % _EVERY == 0:
            thoughts = sorted([thought for thought, _ in self._latest if thought is not None]) or [math.inf]
            answers = sorted([answer for _, answer in self._latest])
            self.p50, self.p90 = (
                (thoughts[int(q * len(thoughts))], answers[int(q * len(answers))]) for q in (0.5, 0.9)
            )


class TokenHistory:
    """Bounded: however many models, budgets and strategies there are."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()

    def observe(self, kind: RequestKind, thinking: float, answer: float) -> float:
        """A candidate that was written to its end. Returns the tokens that were expected of it before."""
        expected: float | None = None
        spent = (thinking if kind.thinking else None, answer)
        for key in kind.levels():
            seen = self._seen.get(key)
            if seen is None:
                seen = self._seen[key] = _Seen()
                if len(self._seen) > _KINDS:
                    self._seen.popitem(last=False)
            elif expected is None and (seen.count >= _ENOUGH or key == kind.model):
                expected = min(seen.p50[0], kind.thinking) + seen.p50[1]
            self._seen.move_to_end(key)
            seen.add(spent)
        return expected or 0.0

    def expected(self, kind: RequestKind, answer: int) -> ExpectedTokens:
        """Of one candidate that may spend its thinking budget and `answer` tokens."""
        for key in kind.levels():
            seen = self._seen.get(key)
            if seen is not None and (seen.count >= _ENOUGH or key == kind.model):
                (thinking, answered), (most_thinking, most_answered) = seen.p50, seen.p90
                return ExpectedTokens(
                    min(thinking, kind.thinking) + min(answered, answer),
                    min(most_thinking, kind.thinking) + min(most_answered, answer),
                )
        return _UNKNOWN
