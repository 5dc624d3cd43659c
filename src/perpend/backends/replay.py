"""A backend that replays recorded events, for tests that need no server."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence

from perpend.backends.body import ThinkingParams
from perpend.backends.contract import Call, CallEvent
from perpend.errors import PerpendError, UpstreamError

Recording = Iterable[Sequence[CallEvent] | PerpendError | float]
"""Batches to yield, an error to raise at that point, or seconds to wait."""


class ReplayBackend:
    """Each call replays the next recording; `calls` keeps the calls."""

    def __init__(
        self, recordings: Iterable[Recording], *, supports_prefix: bool = False, resumes: bool = False
    ) -> None:
        self._recordings = iter(recordings)
        self.supports_prefix = supports_prefix
        self.resumes = resumes
        self.calls: list[Call] = []

    async def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]:
        self.calls.append(call)
        for step in next(self._recordings):
            if isinstance(step, PerpendError):
                raise step
            if isinstance(step, Sequence):
                yield list(step)
            else:
                await asyncio.sleep(step)

    def whole(self, body: bytes, call: Call) -> list[CallEvent]:
        """Raises UpstreamError: recorded events have no body."""
        raise UpstreamError("what is played here has no body")

    def left_out(self, call: Call) -> tuple[str, ...]:
        return ()

    def steers(self, call: Call) -> ThinkingParams:
        return {} if call.effort == "none" else {"effort": call.effort}

    async def count_input(self, call: Call) -> int | None:
        return None
