"""Predicts the tokens of requests from those that ended.

A candidate's tokens are predicted from the most specific kind with enough data: by model, budget, strategy and prompt
length, then without the length, then by the model alone. Without data of a model the prediction is 0, so that no
request is lowered by a guess.
"""

import math
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import NamedTuple

_KEPT = 64
"""Latest candidates that are kept for each kind."""
_ENOUGH = 8
"""Candidates of a kind that a prediction needs; by the model alone one candidate is enough."""
_EVERY = 16
"""Candidates between two updates of the quantiles."""
_KINDS = 2048
"""The most kinds that are kept; the least recently used one is dropped."""


class ExpectedTokens(NamedTuple):
    """Predicted tokens of thinking and answer together: the median and the 90th percentile."""

    p50: float
    p90: float


_UNKNOWN = ExpectedTokens(0.0, 0.0)


class RequestKind(NamedTuple):
    """The properties of a candidate that are known before it runs."""

    model: str
    thinking: int
    """The candidate's thinking budget, in tokens."""
    strategy: str
    prompt: int | None = None
    """Upper bound of the prompt's tokens; None where it isn't known."""

    def levels(self) -> tuple[Hashable, ...]:
        """Returns keys, the most specific first; budgets and prompt lengths are grouped by powers of two."""
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
        """In tokens: thinking and answer."""

    def add(self, spent: tuple[float | None, float]) -> None:
        """Adds a candidate's tokens. `spent`: thinking, None where its budget was 0, and answer."""
        self._latest.append(spent)
        self.count += 1
        if self.count <= _ENOUGH or self.count % _EVERY == 0:
            thoughts = sorted([thought for thought, _ in self._latest if thought is not None]) or [math.inf]
            answers = sorted([answer for _, answer in self._latest])
            self.p50, self.p90 = (
                (thoughts[int(q * len(thoughts))], answers[int(q * len(answers))]) for q in (0.5, 0.9)
            )


class TokenHistory:
    """Tokens of ended candidates by kind, of bounded size."""

    def __init__(self) -> None:
        self._seen: OrderedDict[Hashable, _Seen] = OrderedDict()

    def observe(self, kind: RequestKind, thinking: float, answer: float) -> float:
        """Adds the tokens of a complete candidate; returns the tokens that were predicted for it."""
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
        """Predicts the tokens of a candidate that may spend its thinking budget and `answer` tokens."""
        for key in kind.levels():
            seen = self._seen.get(key)
            if seen is not None and (seen.count >= _ENOUGH or key == kind.model):
                (thinking, answered), (most_thinking, most_answered) = seen.p50, seen.p90
                return ExpectedTokens(
                    min(thinking, kind.thinking) + min(answered, answer),
                    min(most_thinking, kind.thinking) + min(most_answered, answer),
                )
        return _UNKNOWN
