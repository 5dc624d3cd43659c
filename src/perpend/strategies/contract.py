"""What a strategy is: a coroutine that spends a session's budget and gives the candidate it chose.

    @strategies.register("single")
    async def single(session: Session) -> Candidate:
        return await session.sample()

It sees the task and the session, nothing of HTTP, providers, config or the store. Its keyword arguments
are the options that clients may send; their annotations check them.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from perpend.registry import Registry
from perpend.types import Candidate, Request


class Session(Protocol):
    """The only door to tokens. Every sample is reserved, streamed, settled and kept as a candidate."""

    @property
    def request(self) -> Request: ...

    @property
    def thinking_budget(self) -> int:
        """Thinking tokens that this request may still spend."""
        ...

    @property
    def best(self) -> Candidate | None:
        """What a deadline, a cap or a stop would answer with now."""
        ...

    async def sample(
        self, *, thinking_tokens: int | None = None, waits: int = 0, temperature: float | None = None
    ) -> Candidate:
        """One thought and its answer.

        `thinking_tokens`: at most this many, default all that is left. `waits`: how often a thought that
        ends early is made to go on. Raises CapReached when the budget has no room for another sample.
        """
        ...

    def keep(self, candidate: Candidate) -> None:
        """This is the best so far."""
        ...


Strategy = Callable[..., Awaitable[Candidate]]
"""Called with a session and the options."""

strategies: Registry[Strategy] = Registry("strategy")
