"""What a strategy is: an async function of a session and its options that returns the chosen candidate.

    @strategies.register("single")
    async def single(session: Session) -> Candidate:
        return await session.sample(shown=True)

Its keyword-only arguments are the options that clients may send; their annotations check them.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from perpend.errors import CapReached, DeadlineTooShort, EngineError, UpstreamError
from perpend.registry import Registry
from perpend.types import Candidate, Request, Sampling, StrategySpec


class Step(NamedTuple):
    """A piece of a thought."""

    text: str
    tokens: int
    ended: bool
    """The thought is complete: the model closed it."""


class Feedback(NamedTuple):
    """What was said of a candidate, for the model to do better."""

    candidate: Candidate
    text: str


class SessionBudget(Protocol):
    """What may still be spent."""

    @property
    def thinking(self) -> int:
        """Thinking tokens."""
        ...

    def part(self, of: int, *, may_show: bool = False) -> "Session":
        """A session that may spend one `of`th of what is left here, of tokens and of dollars.

        `may_show`: what is sampled there may be the answer, whatever comes of the other parts.
        """
        ...

    def fitting(self, count: int, like: Sequence["Session"], length_margin: float) -> int:
        """Of `count` parts, how many there may be for each to have room for a whole thought.

        That's `length_margin` times what the sessions of `like` took on average, and before any did, what a medium
        effort may think. All of them, where nothing is to be thought.
        """
        ...


class SessionVerifier(Protocol):
    """What checks the candidates of a session; `same` is there without one, too."""

    def require(self, strategy: str) -> None:
        """Raises BadRequest where the request names no verifier, or not what that one needs."""
        ...

    @property
    def judged(self) -> bool:
        """It asks a model: what it says is an opinion, which a cut thought may win."""
        ...

    @property
    def rates_thoughts(self) -> bool:
        """It can tell how good a thought is that isn't answered yet: `rate` is there."""
        ...

    async def verify(self, candidate: Candidate) -> Candidate:
        """The candidate with its verdict and score; without them where no time or budget is left to check it."""
        ...

    async def verified(self, candidate: Candidate) -> Candidate:
        """As `verify`, where the request names a verifier and the candidate has no verdict yet.

        What a strategy returns is verified so in the end: it needn't do that itself.
        """
        ...

    async def rate(self, thought: str) -> float | None:
        """How good a thought looks so far, from 0 to 1; None where no time or budget is left to tell."""
        ...

    async def compare(self, first: Candidate, second: Candidate) -> float | None:
        """The probability that the first one is the better; None where no time or budget is left to tell."""
        ...

    async def same(self, first: str, second: str) -> bool:
        """Whether two answers count as one, as the verifier sees it; without a verifier, as final answers do.

        Where no time is left to compare them, only those that are the same text.
        """
        ...


class Session(Protocol):
    """The only door to tokens: all that is asked for here is reserved, streamed, settled and accounted.

    Everything raises CapReached where the budget has no room for it, and DeadlineTooShort where there is no time
    left and something to answer with: what a strategy has by then is what it should return.
    """

    @property
    def request(self) -> Request: ...

    @property
    def budget(self) -> SessionBudget: ...

    @property
    def verifier(self) -> SessionVerifier: ...

    @property
    def width(self) -> int:
        """Calls that the model takes at once."""
        ...

    @property
    def supports_prefix(self) -> bool:
        """The model goes on from a given thought: `think`, and `sample` with a thought, are there."""
        ...

    async def sample(
        self,
        *,
        thinking_tokens: int | None = None,
        wait_count: int = 0,
        sampling: Sampling | None = None,
        thought: str = "",
        feedback: Feedback | None = None,
        shown: bool = False,
    ) -> Candidate:
        """A thought and its answer.

        `thinking_tokens`: at most this many, default all that is left. `wait_count`: how often a thought that ends
        early is made to go on. `sampling`: in place of the request's. `thought`: one that was begun with `think`; it
        goes on from there. `feedback`: on an earlier candidate, which is to be done better. `shown`: it's the answer,
        whatever comes, so clients may see it being written.
        """
        ...

    async def think(
        self, thought: str, *, tokens: int, stop: str = "", sampling: Sampling | None = None
    ) -> Step:
        """The next step of a thought, up to `stop`, which belongs to it. Raises BadRequest unless `supports_prefix`."""
        ...

    def on(self, model: str) -> "Session":
        """The same budget, spent on another model; raises NotFound."""
        ...

    async def run(self, spec: StrategySpec, sampling: Sampling | None = None) -> Candidate:
        """What another strategy makes of this session. `sampling`: in place of the request's, for all that it draws."""
        ...

    @property
    def best(self) -> Candidate | None:
        """What a deadline, a cap or a stop would answer with now."""
        ...

    def keep(self, candidate: Candidate) -> None:
        """This is the best so far."""
        ...

    def score(self, candidate: Candidate, score: float) -> Candidate:
        """The candidate with a score of the strategy's own, such as its share of votes, which clients see too."""
        ...

    def explain(self, decision: str) -> None:
        """What was decided on the way, and why: it joins the reason of the answer's plan."""
        ...


CUT = (CapReached, DeadlineTooShort, UpstreamError, EngineError)
"""What may cut a strategy short: it returns the best that it has by then, and raises where that is nothing."""

Strategy = Callable[..., Awaitable[Candidate]]
"""Called with a session and the options."""

strategies: Registry[Strategy] = Registry("strategy")

_COMPARES = "compares_by_verifier"


def compares(strategy: Strategy) -> Strategy:
    """Marks one that counts votes by its verifier: that needs no gold, with which an answer could be verified."""
    setattr(strategy, _COMPARES, True)
    return strategy


def compares_by_verifier(strategy: Strategy) -> bool:
    return getattr(strategy, _COMPARES, False)


_DRAWS = "draws"


class Draws(NamedTuple):
    """How many candidates a strategy draws."""

    option: str
    """Its option that says so."""
    default: int
    least: int | None
    """How few it may draw in the stead of more, where there is too much to do; None: no fewer than was asked."""

    def of(self, options: Mapping[str, Any]) -> int:
        return options.get(self.option, self.default)


def draws(option: str, *, least: int | None) -> Callable[[Strategy], Strategy]:
    """Marks one that draws as many candidates as `option` says; see `Draws`."""

    def mark(strategy: Strategy) -> Strategy:
        default = inspect.signature(strategy).parameters[option].default
        setattr(strategy, _DRAWS, Draws(option, default, least))
        return strategy

    return mark


def draws_of(strategy: Strategy) -> Draws | None:
    """None: it draws one, or its options don't say."""
    return getattr(strategy, _DRAWS, None)
