"""Requests that come when they come, whatever became of those before them: arrivals, and what each of them got."""

import asyncio
import json
import random
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any, NamedTuple

import aiohttp

_PERIOD_S = 5.0
_BURST, _CALM = 10 / 3, 5 / 12
"""Times the mean rate, in a fifth of each period and in the rest of it."""


class Kind(NamedTuple):
    """Who asks, and for what."""

    tenant: str
    service_class: str
    deadline_s: float
    thinking: int


class Arrival(NamedTuple):
    at_s: float
    problem: int
    kind: Kind


class Outcome(NamedTuple):
    """Of one arrival; times in seconds from then on."""

    arrival: Arrival
    status: int
    right: bool
    total_s: float
    first_token_s: float | None
    """The first of the thought or of the answer; None where nothing was streamed."""
    tokens: int
    thinking: int
    """Of its budget, after it was lowered."""
    lowered_by: str | None
    retry_after_s: float | None

    @property
    def in_time(self) -> bool:
        return self.status == 200 and self.total_s <= self.arrival.kind.deadline_s


def arrivals(
    per_s: float, seconds: float, kinds: Sequence[tuple[Kind, float]], *, bursty: bool, seed: int
) -> list[Arrival]:
    """Poisson; or bursts: as many in the mean, two thirds of them in one fifth of the time. `kinds`: with weights."""
    draw = random.Random(seed)
    names, weights = [kind for kind, _ in kinds], [weight for _, weight in kinds]
    found: list[Arrival] = []
    for at_s in _times(per_s, seconds, draw, bursty=bursty):
        found.append(Arrival(at_s, draw.randrange(10**9), draw.choices(names, weights)[0]))
    return found


def _times(per_s: float, seconds: float, draw: random.Random, *, bursty: bool) -> Iterator[float]:
    """Thinned from the highest rate."""
    now, most = 0.0, per_s * (_BURST if bursty else 1.0)
    while (now := now + draw.expovariate(most)) < seconds:
        calm = bursty and now % _PERIOD_S >= _PERIOD_S / 5
        if draw.random() < (_CALM if calm else _BURST if bursty else 1.0) * per_s / most:
            yield now


async def drive(url: str, keys: dict[str, str], coming: Sequence[Arrival]) -> list[Outcome]:
    """`keys`: by tenant."""
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:
        began = monotonic()

        async def one(arrival: Arrival) -> Outcome:
            await asyncio.sleep(max(0.0, began + arrival.at_s - monotonic()))
            return await _asked(http, url, keys[arrival.kind.tenant], arrival)

        return await asyncio.gather(*map(one, coming))


async def _asked(http: aiohttp.ClientSession, url: str, key: str, arrival: Arrival) -> Outcome:
    kind = arrival.kind
    body = {
        "messages": [{"role": "user", "content": f"Solve problem {arrival.problem}"}],
        "max_thinking_tokens": kind.thinking,
        "deadline_ms": round(kind.deadline_s * 1000),
        "service_class": kind.service_class,
        "stream": True,
    }
    began = monotonic()
    first_s: float | None = None
    text, report = "", dict[str, Any]()
    headers = {"Authorization": f"Bearer {key}"}
    async with http.post(f"{url}/chat/completions", json=body, headers=headers) as reply:
        async for line in reply.content:
            if not line.startswith(b"data: {"):
                continue
            if b"content" in line:
                first_s = first_s or monotonic() - began
            chunk = json.loads(line[6:])
            for choice in chunk.get("choices", ()):
                text += choice["delta"].get("content") or ""
            report = chunk.get("perpend", report)
            if "error" in chunk:
                return _failed(arrival, 500, monotonic() - began, None)
        took_s = monotonic() - began
        if reply.status != 200:
            again = reply.headers.get("retry-after")
            return _failed(arrival, reply.status, took_s, None if again is None else float(again))
    budget, usage = report["budget"], report["usage"]
    tokens = usage["thinking"] + usage["answer"]
    effective, lowered = budget["effective_thinking_tokens"], budget["lowered_by"]
    return Outcome(arrival, 200, "right" in text, took_s, first_s, tokens, effective, lowered, None)


def _failed(arrival: Arrival, status: int, took_s: float, again_s: float | None) -> Outcome:
    return Outcome(arrival, status, False, took_s, None, 0, 0, None, again_s)
