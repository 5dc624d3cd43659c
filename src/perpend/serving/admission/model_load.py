"""The load of a model: admitted requests, and requests that wait for their turn."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from perpend.serving.admission.fair_queue import FairQueue, Flow
from perpend.serving.admission.history import TokenHistory
from perpend.serving.admission.levels import Level, calls_of, level_of
from perpend.solve import Prepared, ServedModel
from perpend.types import ServiceClass

_LATE_SHARE = 0.25
"""A request that takes longer than predicted is expected to continue for this share of its time so far."""


class Admitted:
    """A running request; `prepared` is the request as admitted."""

    __slots__ = ("calls", "load", "prepared", "started")

    def __init__(self, load: "ModelLoad", prepared: Prepared, calls: int, started: float) -> None:
        self.load = load
        self.prepared = prepared
        self.calls = calls
        """Concurrent calls."""
        self.started = started


class Waiting:
    """A waiting request, and the levels that it may be lowered to. Times are in the event loop's seconds."""

    __slots__ = ("arrived", "cost", "deadline", "due", "flow", "latest", "levels", "prepared", "turn")

    def __init__(
        self,
        prepared: Prepared,
        levels: list[Level],
        flow: Flow,
        turn: "asyncio.Future[Admitted]",
        *,
        now: float,
        target_wait_s: float,
        max_wait_s: float,
    ) -> None:
        model, deadline = prepared.model, prepared.clock.deadline
        self.prepared = prepared
        self.levels = levels
        """The level as prepared, then lower ones; at least one."""
        self.flow = flow
        self.cost = max(1.0, levels[0].expected.p50)
        self.turn = turn
        self.arrived = now
        self.due = now + target_wait_s
        """When it should start; requests before it are lowered to keep that time."""
        self.latest = now + max_wait_s
        """The latest useful time to start."""
        self.deadline = deadline
        if deadline is not None:
            self.due = min(self.due, max(now, deadline - levels[0].seconds(model)))
            self.latest = min(self.latest, deadline - levels[-1].seconds(model))


class ModelLoad:
    """The load of one model."""

    def __init__(self, model: ServedModel, shares: Mapping[ServiceClass, float]) -> None:
        self.model = model
        self.queue: FairQueue[Waiting] = FairQueue(shares)
        self.admitted: set[Admitted] = set()
        self.calls = 0
        """Concurrent calls of admitted requests."""

    @property
    def has_room(self) -> bool:
        """Whether one more call fits; a first call always does."""
        capacity = self.model.capacity()
        return capacity is None or not self.calls or self.calls + 1 <= capacity

    def waiting(self) -> dict[ServiceClass, int]:
        """Returns the number of waiting requests by service class."""
        counts: Counter[ServiceClass] = Counter()
        for flow, count in self.queue.counts().items():
            counts[flow.service_class] += count
        return counts

    def start(self, prepared: Prepared, now: float) -> Admitted:
        """Adds a request that starts at `now`, in the event loop's seconds."""
        calls = calls_of(prepared)
        admitted = Admitted(self, prepared, calls, now)
        self.admitted.add(admitted)
        self.calls += calls
        return admitted

    def end(self, admitted: Admitted) -> None:
        """Removes a request that ended."""
        self.admitted.discard(admitted)
        self.calls -= admitted.calls

    def seconds_for(self, works_s: Iterable[float]) -> float:
        """Returns the seconds for so many seconds of calls, run as concurrently as the model's capacity allows."""
        return sum(works_s) / (self.model.capacity() or max(1, self.calls))

    def drained_in_s(self, now: float, history: TokenHistory) -> float:
        """Predicts the seconds to an empty queue and a free call, with waiting requests at their lowest levels."""
        return self.seconds_for(self._left(now, history)) + self.seconds_for(
            waiting.levels[-1].work_s(self.model) for waiting in self.queue
        )

    def _left(self, now: float, history: TokenHistory) -> Iterable[float]:
        """Yields the predicted remaining seconds of calls of each running request."""
        for admitted in self.admitted:
            taken_s = now - admitted.started
            usual_s = level_of(admitted.prepared, history).seconds(self.model)
            yield max(usual_s - taken_s, _LATE_SHARE * taken_s) * admitted.calls
