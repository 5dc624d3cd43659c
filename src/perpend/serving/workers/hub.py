"""The supervisor's end of all channels: starts engines, relays calls between workers, sums their metrics."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import msgspec
from msgspec import Raw
from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from perpend.engine.pool import Engines
from perpend.errors import EngineError
from perpend.observability.metrics import Metrics
from perpend.observability.totals import Samples, Totals, samples_of
from perpend.serving.workers.channel import Channel, ChannelError
from perpend.serving.workers.messages import (
    NOTHING,
    EngineReply,
    EngineRequest,
    EngineState,
    PeerCall,
    SharedState,
    WorkerStart,
)

_PUSH_EVERY_S = 0.1
_SCRAPE_TIMEOUT_S = 2.0
"""Seconds after which a worker's last samples are used."""
_SUPERVISOR = "supervisor"


class Hub:
    def __init__(
        self, config: bytes, count: int, engines: Engines, waiting_for: Callable[[], str | None]
    ) -> None:
        """`config`: pickled, for each of `count` workers; `waiting_for`: see `serving.info.Readiness`."""
        self._config = config
        self._count = count
        self._engines = engines
        self._waiting_for = waiting_for
        self._started = 0
        self._channels: dict[int, Channel] = {}
        self._pushed = self.state()
        self._metrics = Metrics(restarts=engines.restarts)
        self._metrics.registry.register(_Restarts(self))
        self._totals = Totals()

    @property
    def restarts(self) -> int:
        """Number of workers started in place of another."""
        return max(0, self._started - self._count)

    def state(self) -> SharedState:
        """Returns the current state of gateway and engines."""
        engines = self._engines
        states = {
            name: EngineState(engines.slots(name), engines.capacity(name), engines.problem(name))
            for name in engines.restarts()
        }
        return SharedState(self._waiting_for(), states)

    async def connect(self, index: int, end: socket.socket, on_ready: Callable[[], None]) -> Channel:
        """Opens the channel of a new worker; `on_ready` is called once it accepts requests. Raises OSError."""
        self._started += 1

        async def start(_: Raw) -> WorkerStart:
            return WorkerStart(self._config, index, self._count, self.state())

        async def ready(_: Raw) -> None:
            self._channels[index] = channel
            channel.notify("state", self.state())
            on_ready()

        async def peers(raw: Raw) -> Raw:
            return await self._call_peers(index, raw)

        handlers = {"start": start, "engine": self._engine, "peers": peers, "scrape": self._scrape}
        channel = await Channel.open(end, {**handlers, "ready": ready})
        return channel

    async def disconnect(self, index: int, channel: Channel) -> None:
        """Removes a worker that has ended, and keeps its counts."""
        self._channels.pop(index, None)
        self._totals.remove(str(index))
        await channel.aclose()

    def hurry(self) -> None:
        """Makes stopping workers end without waiting for running requests."""
        for channel in self._channels.values():
            channel.notify("hurry")

    async def push_state(self) -> None:
        """Notifies every worker of each change of state, until cancelled."""
        while True:
            await asyncio.sleep(_PUSH_EVERY_S)
            state = self.state()
            if state != self._pushed:
                self._pushed = state
                for channel in self._channels.values():
                    channel.notify("state", state)

    async def _engine(self, raw: Raw) -> EngineReply:
        request = msgspec.msgpack.decode(raw, type=EngineRequest)
        try:
            url = await self._engines.ready(request.model, Path(request.path), request.context)
            return EngineReply(url)
        except EngineError as error:
            return EngineReply(None, error.message, error.hint, error.retry_after, error.redacted)

    async def _call_peers(self, caller: int, raw: Raw) -> Raw:
        call = msgspec.msgpack.decode(raw, type=PeerCall)
        peers = [channel for index, channel in self._channels.items() if index != caller]
        return await _first_result([channel.call("peer", call, Raw) for channel in peers])

    async def _scrape(self, _: Raw) -> bytes:
        await asyncio.gather(*(self._sample(*one) for one in self._channels.items()))
        self._totals.update(_SUPERVISOR, samples_of(self._metrics.registry))
        return self._totals.text()

    async def _sample(self, index: int, channel: Channel) -> None:
        try:
            async with asyncio.timeout(_SCRAPE_TIMEOUT_S):
                samples = await channel.call("samples", None, list[Samples])
        except (TimeoutError, ChannelError):
            return
        if self._channels.get(index) is channel:
            self._totals.update(str(index), samples)


class _Restarts(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        text = "Workers started in the place of one that ended."
        yield CounterMetricFamily("perpend_worker_restarts", text, value=self._hub.restarts)


async def _first_result(calls: list[Awaitable[Raw]]) -> Raw:
    """Returns the first result that isn't nil, and cancels the other calls; nil where there is none."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        for done in asyncio.as_completed(tasks):
            try:
                result = await done
            except ChannelError:
                continue
            if result != NOTHING:
                return result
        return NOTHING
    finally:
        for task in tasks:
            task.cancel()
