"""Writes `x-ratelimit-*` headers, which tell a client what it may still send, as OpenAI's API does.

https://platform.openai.com/docs/guides/rate-limits names `requests` and `tokens`. Here `tokens` are of the kind that
runs out first; every kind has its own headers too.
"""

import math
import time
from collections.abc import Sequence

from perpend.serving.asgi import Header
from perpend.serving.limits.meters import Meter
from perpend.serving.limits.windows import Resource
from perpend.storage.counters import CounterTable

_NAMES: dict[Resource, str] = {
    "requests": "requests",
    "input": "input-tokens",
    "thinking": "thinking-tokens",
    "answer": "answer-tokens",
}


def rate_headers(meters: Sequence[Meter], table: CounterTable) -> list[Header]:
    """Returns the limit, the rest and the time to reset of each kind's tightest limit: requests, and kinds of tokens.

    Raises StorageError where the counters are full.
    """
    now = time.time()
    tightest: dict[str, tuple[float, int, int, float]] = {}
    for meter in meters:
        kind, bound = _NAMES.get(meter.limit.resource), meter.bound
        if kind is None:
            continue
        left = table.left(meter.claim(0, now))
        ends = meter.turn(now).ends
        reset_s = 60 * (bound - left) / bound if ends is None else ends.timestamp() - now
        share = left / bound if bound else 0.0
        found = (share, bound, left, reset_s)
        for name in (kind, *(("tokens",) if kind != "requests" else ())):
            if name not in tightest or share < tightest[name][0]:
                tightest[name] = found
    headers: list[Header] = []
    for name, (_, bound, left, reset_s) in tightest.items():
        for what, value in (("limit", str(bound)), ("remaining", str(left)), ("reset", _duration(reset_s))):
            headers.append((f"x-ratelimit-{what}-{name}".encode(), value.encode()))
    return headers


def _duration(seconds: float) -> str:
    """Formats a duration as OpenAI does: `1s`, `6m0s`, `120ms`."""
    if 0 < seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
