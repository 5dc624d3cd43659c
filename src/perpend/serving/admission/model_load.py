"""What a model has to do: calls that were admitted, and requests that wait for their turn."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from perpend.serving.admission.fair_queue import FairQueue, Flow
from perpend.serving.admission.history import TokenHistory
from perpend.serving.admission.levels import Level, calls_of, level_of
from perpend.solve import Prepared, ServedModel
from perpend.types import ServiceClass

_LATE_SHARE = 0.25
"""What takes longer than it was expected to goes on for this much of what it has taken."""


class Admitted:
    """A request under way; `prepared` is what it was admitted with."""

    __slots__ = ("calls", "load", "prepared", "started")

    def __init__(self, load: "ModelLoad", prepared: Prepared, calls: int, started: float) -> None:
        self.load = load
        self.prepared = prepared
        self.calls = calls
        """At once."""
        self.started = started


class Waiting:
    """A request that waits, and what it could be lowered to."""

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
        """As it was prepared, and less from there down; at least one."""
        self.flow = flow
        self.cost = max(1.0, levels[0].expected.p50)
        self.turn = turn
        self.arrived = now
        self.due = now + target_wait_s
        """When it should have begun: others think less for it by then."""
        self.latest = now + max_wait_s
        """From when on there is no sense in beginning it."""
        self.deadline = deadline
        if deadline is not None:
            self.due = min(self.due, max(now, deadline - levels[0].seconds(model)))
            self.latest = min(self.latest, deadline - levels[-1].seconds(model))


class ModelLoad:
    """One model's."""

    def __init__(self, model: ServedModel, shares: Mapping[ServiceClass, float]) -> None:
        self.model = model
        self.queue: FairQueue[Waiting] = FairQueue(shares)
        self.admitted: set[Admitted] = set()
        self.calls = 0
        """Of those that were admitted, at once."""

    @property
    def has_room(self) -> bool:
        """For one more call; for the first there is always."""
        capacity = self.model.capacity()
        return capacity is None or not self.calls or self.calls + 1 <= capacity

    def waiting(self) -> dict[ServiceClass, int]:
        """How many, by their class."""
        counts: Counter[ServiceClass] = Counter()
        for flow, count in self.queue.counts().items():
            counts[flow.service_class] += count
        return counts

    def start(self, prepared: Prepared, now: float) -> Admitted:
        calls = calls_of(prepared)
        admitted = Admitted(self, prepared, calls, now)
        self.admitted.add(admitted)
        self.calls += calls
        return admitted

    def end(self, admitted: Admitted) -> None:
        self.admitted.discard(admitted)
        self.calls -= admitted.calls

    def seconds_for(self, works_s: Iterable[float]) -> float:
        """Until so many seconds of calls are over, with all the calls that it takes at once."""
        return sum(works_s) / (self.model.capacity() or max(1, self.calls))

    def drained_in_s(self, now: float, history: TokenHistory) -> float:
        """Until nobody waits any more and a call is free, where those that wait think as little as they can."""
        return self.seconds_for(self._left(now, history)) + self.seconds_for(
            waiting.levels[-1].work_s(self.model) for waiting in self.queue
        )

    def _left(self, now: float, history: TokenHistory) -> Iterable[float]:
        """Seconds of calls that each of those under way is expected to take still."""
        for admitted in self.admitted:
            taken_s = now - admitted.started
            usual_s = level_of(admitted.prepared, history).seconds(self.model)
            yield max(usual_s - taken_s, _LATE_SHARE * taken_s) * admitted.calls
