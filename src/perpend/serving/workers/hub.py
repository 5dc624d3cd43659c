"""What the supervisor does for its workers: it keeps the engines, relays their questions, and adds up their metrics."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import Raw
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from perpend.errors import EngineError
from perpend.observability.metrics import Metrics
from perpend.observability.totals import Samples, Totals, samples_of
from perpend.serving.workers.channel import Channel, Unanswered
from perpend.serving.workers.messages import (
    NOTHING,
    EngineAnswer,
    EngineState,
    EngineWanted,
    HouseState,
    PeerQuestion,
    WorkerStart,
)

_TELL_EVERY_S = 0.1
_SAMPLES_WITHIN_S = 2.0
"""A worker that takes longer counts as it was heard last."""
_SUPERVISOR = "supervisor"


class KeptEngines(Protocol):
    """The part of `engine.pool.EnginePool` that workers share."""

    def slots(self, name: str) -> int: ...

    def problem(self, name: str) -> str | None: ...

    def restarts(self) -> Mapping[str, int]: ...

    async def ready(self, name: str, path: Path, context: int) -> str: ...


class Hub:
    """The supervisor's end of the workers' channels."""

    def __init__(
        self, config: bytes, count: int, engines: KeptEngines, waiting_for: Callable[[], str | None]
    ) -> None:
        """`config`: pickled; `waiting_for`: what is missing at the start, in words."""
        self._config = config
        self._count = count
        self._engines = engines
        self._waiting_for = waiting_for
        self._started = 0
        self._channels: dict[int, Channel] = {}
        self._told = self.state()
        self._metrics = Metrics(restarts=engines.restarts)
        self._metrics.registry.register(_Restarts(self))
        self._totals = Totals()

    @property
    def restarts(self) -> int:
        """Workers that were started in the place of another."""
        return max(0, self._started - self._count)

    def state(self) -> HouseState:
        engines = self._engines
        names = engines.restarts()
        return HouseState(
            self._waiting_for(),
            {name: EngineState(engines.slots(name), engines.problem(name)) for name in names},
        )

    async def connect(self, index: int, end: socket.socket, listening: Callable[[], None]) -> Channel:
        """The channel of a new worker, which `listening` tells once it takes requests."""
        self._started += 1

        async def start(_: Raw) -> WorkerStart:
            return WorkerStart(self._config, index, self._count, self.state())

        async def peers(raw: Raw) -> Raw:
            return await self._ask_others(index, raw)

        async def listens(_: Raw) -> None:
            self._channels[index] = channel
            channel.tell("state", self.state())
            listening()

        answers = {"start": start, "engine": self._engine, "peers": peers, "scrape": self._scrape}
        channel = await Channel.open(end, {**answers, "listening": listens})
        return channel

    async def disconnect(self, index: int, channel: Channel) -> None:
        """Of a worker that has ended."""
        self._channels.pop(index, None)
        self._totals.gone(str(index))
        await channel.aclose()

    async def tell(self) -> None:
        """Tell every worker what changes, until cancelled."""
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            state = self.state()
            if state != self._told:
                self._told = state
                for channel in self._channels.values():
                    channel.tell("state", state)

    async def _engine(self, raw: Raw) -> EngineAnswer:
        wanted = msgspec.msgpack.decode(raw, type=EngineWanted)
        try:
            return EngineAnswer(await self._engines.ready(wanted.model, Path(wanted.path), wanted.context))
        except EngineError as error:
            return EngineAnswer(None, error.message, error.hint, error.retry_after, error.redacted)

    async def _ask_others(self, asker: int, raw: Raw) -> Raw:
        question = msgspec.msgpack.decode(raw, type=PeerQuestion)
        others = [channel for index, channel in self._channels.items() if index != asker]
        return await _first_answer([channel.ask("peer", question, Raw) for channel in others])

    async def _scrape(self, _: Raw) -> bytes:
        await asyncio.gather(*(self._sample(*one) for one in self._channels.items()))
        self._totals.heard(_SUPERVISOR, samples_of(self._metrics.registry))
        return self._totals.text()

    async def _sample(self, index: int, channel: Channel) -> None:
        try:
            async with asyncio.timeout(_SAMPLES_WITHIN_S):
                samples = await channel.ask("samples", None, list[Samples])
        except (TimeoutError, Unanswered):
            return
        if self._channels.get(index) is channel:
            self._totals.heard(str(index), samples)


class _Restarts(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        text = "Workers started in the place of one that ended."
        yield CounterMetricFamily("perpend_worker_restarts", text, value=self._hub.restarts)


async def _first_answer(asked: list[Awaitable[Raw]]) -> Raw:
    """The first that is one; the rest is awaited no longer."""
    tasks = [asyncio.ensure_future(one) for one in asked]
    try:
        for done in asyncio.as_completed(tasks):
            try:
                answer = await done
            except Unanswered:
                continue
            if answer != NOTHING:
                return answer
        return NOTHING
    finally:
        for task in tasks:
            task.cancel()
