"""A circuit breaker: a deployment that keeps failing gets no calls for a while, then a single one as a probe."""

import random
from collections import deque
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "half_open", "open"]

_CONSECUTIVE = 5
"""Consecutive failures that open it …"""
_WINDOW = 20
_SHARE = 0.5
"""… as does this share of failures among the last `_WINDOW` calls."""
_COOL_S = 5.0
"""Seconds that it stays open; twice as long after each failed probe, up to `_MAX_COOL_S`."""
_MAX_COOL_S = 60.0


class Breaker:
    """Every call that was let through is followed by exactly one of `succeeded`, `failed` and `abandoned`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds, monotonic."""
        self.openings = 0
        self._clock = clock
        self._outcomes: deque[bool] = deque(maxlen=_WINDOW)
        self._consecutive = 0
        self._reopened = 0
        self._open_until: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        if self._open_until is None:
            return "closed"
        return "half_open" if self._probing or self._clock() >= self._open_until else "open"

    @property
    def wait_s(self) -> float:
        """Seconds until a call may pass; 0: now. At least 1 while a probe is under way."""
        if self._open_until is None:
            return 0.0
        left_s = self._open_until - self._clock()
        return max(left_s, 1.0) if self._probing else max(left_s, 0.0)

    @property
    def passes(self) -> bool:
        """Whether a call would be let through."""
        return self._open_until is None or not (self._probing or self._clock() < self._open_until)

    def let_through(self) -> bool:
        """Whether a call may pass; while it is half open, the first that asks is the probe."""
        if not self.passes:
            return False
        self._probing = self._open_until is not None
        return True

    def succeeded(self) -> None:
        if self._open_until is not None:
            self._outcomes.clear()
        self._open_until, self._probing, self._reopened = None, False, 0
        self._consecutive = 0
        self._outcomes.append(True)

    def failed(self) -> None:
        self._consecutive += 1
        self._outcomes.append(False)
        if self._probing:
            self._reopened += 1
            self._open()
        elif self._open_until is None and (self._consecutive >= _CONSECUTIVE or self._mostly_failing):
            self._open()

    def abandoned(self) -> None:
        """The call says nothing about the deployment: its caller went away, or the request was at fault."""
        self._probing = False

    @property
    def _mostly_failing(self) -> bool:
        return len(self._outcomes) == _WINDOW and self._outcomes.count(False) >= _SHARE * _WINDOW

    def _open(self) -> None:
        """Jittered, so that many gateways don't come back at once."""
        self.openings += 1
        self._probing = False
        cool_s = min(_COOL_S * 2**self._reopened, _MAX_COOL_S)
        self._open_until = self._clock() + cool_s * random.uniform(0.8, 1.2)  # noqa: S311 -- not a secret
