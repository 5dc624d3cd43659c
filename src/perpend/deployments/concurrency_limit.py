"""How many calls a deployment takes at once, told by how soon their first tokens come.

A call that has to wait for others gets its first token late. The most calls under way at which one still began in time
is what the deployment takes; from there on the limit grows by one a round and shrinks by a tenth (additive increase,
multiplicative decrease: Jacobson, "Congestion avoidance and control", 1988). What is late is told beside the least time
that was seen lately, as TCP Vegas does (Brakmo & Peterson, 1995) and Netflix's concurrency-limits after it.
"""

from collections import deque

_LATE_TIMES = 3.0
_LATE_S = 0.25
"""A first token is late after this many times the usual time, and so many seconds beyond it."""
_DRIFT = 0.02
"""By which the usual time grows while all that are under way take longer: prompts get longer, and servers slower."""
_WINDOW = 8
_MOSTLY = 4
"""Late ones of the last `_WINDOW` that tell of congestion: one alone may have a long prompt."""
_DECREASE = 0.9
_GROWTH = 1.1
"""Beyond what a server has, where it tells that nobody waits there."""
_KV_FULL = 0.95
"""Share of a server's KV memory beyond which it preempts."""


class ConcurrencyLimit:
    """`value` is None until congestion was seen: nothing is held back that nobody has seen wait."""

    __slots__ = ("_best", "_changed_at", "_outcomes", "_usual_s", "value")

    def __init__(self) -> None:
        self.value: float | None = None
        """Calls at once, at least 1."""
        self._usual_s = 0.0
        self._best = 1
        self._outcomes: deque[bool] = deque(maxlen=_WINDOW)
        self._changed_at = 0.0

    def began(self, first_token_s: float, in_flight: int, started: float, now: float) -> None:
        """A call had its first token; `in_flight` were under way when it `started`, itself among them."""
        usual_s = self._usual_s
        drifted_s = usual_s * (1 + _DRIFT / in_flight)
        self._usual_s = min(drifted_s, first_token_s) if usual_s else first_token_s
        late = first_token_s > usual_s * _LATE_TIMES + _LATE_S if usual_s else False
        self._outcomes.append(late)
        if not late:
            self._best = max(self._best, in_flight)
            if self.value is not None and in_flight >= self.value - 1:
                self.value += 1 / self.value
        elif sum(self._outcomes) >= _MOSTLY and started >= self._changed_at:
            self._congested(in_flight, now)

    def refused(self, in_flight: int, started: float, now: float) -> None:
        """The deployment said to a call that it has too much to do, or takes no more; `in_flight` are still under way.

        Where hardly any are, it isn't because of them.
        """
        if in_flight > 1 and started >= self._changed_at:
            self._best = in_flight  # it took those
            self._congested(in_flight, now)

    def told(self, in_flight: int, running: float, waiting: float, kv_used: float) -> None:
        """What the server says of itself: calls that run and wait there, anybody's, and the share of KV memory used."""
        if waiting > 0:  # of what we have there, the part that runs
            self.value = max(1.0, in_flight * running / (running + waiting))
        elif kv_used > 0 and running > 0 and in_flight:
            fits = max(1.0, in_flight * _KV_FULL / kv_used)
            grown = None if self.value is None else max(self.value, in_flight * _GROWTH + 1)
            self.value = min(fits, grown) if grown is not None else fits if kv_used > _KV_FULL else None

    def _congested(self, in_flight: int, now: float) -> None:
        """Once for all calls that were under way together."""
        if self.value is None:
            self.value = float(min(self._best, in_flight))
        elif in_flight >= self.value / 2:  # else it was something else than these calls
            self.value = max(1.0, self.value * _DECREASE)
        self._best = 1
        self._changed_at = now
