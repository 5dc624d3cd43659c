"""What may come from outside while a request runs: "answer now", and the clock."""

import asyncio
from collections.abc import Callable


class Control:
    """Held by whoever started the request."""

    def __init__(self) -> None:
        self.answering_now = False
        self._interrupts: set[Callable[[], None]] = set()

    def answer_now(self) -> None:
        """Stop thinking and give the answer that there is."""
        self.answering_now = True
        for interrupt in list(self._interrupts):
            interrupt()

    def watch(self, interrupt: Callable[[], None]) -> None:
        self._interrupts.add(interrupt)
        if self.answering_now:
            interrupt()

    def unwatch(self, interrupt: Callable[[], None]) -> None:
        self._interrupts.discard(interrupt)


class Clock:
    """A request's time: when it began and when it must have answered, in the loop's seconds."""

    def __init__(self, deadline_ms: int | None) -> None:
        self.loop = asyncio.get_running_loop()
        self.started = self.loop.time()
        self.limit_s = None if deadline_ms is None else deadline_ms / 1000
        self.deadline = None if self.limit_s is None else self.started + self.limit_s

    @property
    def elapsed_s(self) -> float:
        return self.loop.time() - self.started

    @property
    def expired(self) -> bool:
        return self.deadline is not None and self.loop.time() >= self.deadline

    @property
    def halfway(self) -> float | None:
        return None if self.limit_s is None else self.started + self.limit_s / 2

    def think_until(self, answer_s: float | None) -> float | None:
        """When thinking must stop to leave `answer_s` for the answer; None: no deadline.

        The answer gets at most half of the whole time, and a third when its speed isn't known yet.
        """
        if self.deadline is None or self.limit_s is None:
            return None
        kept = self.limit_s / 3 if answer_s is None else min(answer_s, self.limit_s / 2)
        return self.deadline - kept
