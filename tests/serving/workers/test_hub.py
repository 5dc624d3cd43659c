"""The supervisor's end: it lends the engines, relays calls between workers, and adds up their metrics."""

import contextlib
import socket
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from msgspec import Raw

from perpend.config.schema import EngineConfig
from perpend.errors import ClientMessage, EngineError
from perpend.observability.metrics import Metrics
from perpend.observability.totals import Samples, samples_of
from perpend.serving.workers.channel import Channel
from perpend.serving.workers.engines import SharedEngines
from perpend.serving.workers.hub import Hub
from perpend.serving.workers.messages import WorkerStart
from perpend.serving.workers.peers import Peers


class Engines:
    """One that starts, and `broken`, which doesn't."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Path, int]] = []

    def context(self, facts: object) -> int:
        raise NotImplementedError

    def slots(self, name: str) -> int:
        return 4

    def capacity(self, name: str) -> int | None:
        return 4

    def weights_version(self, name: str, path: Path) -> str:
        return ""

    def problem(self, name: str) -> str | None:
        return "it died"

    def restarts(self) -> dict[str, int]:
        return {name: 1 for name, _, _ in self.asked}

    async def ready(self, name: str, path: Path, context: int) -> str:
        if name == "broken":
            redacted = ClientMessage("the model's engine died", "retry later")
            raise EngineError("segfault", hint="see the log", retry_after=2.5, redacted=redacted)
        self.asked.append((name, path, context))
        return f"http://127.0.0.1:1/{name}"

    async def aclose(self) -> None: ...


class Worker:
    """The other end, as a worker's process has it."""

    def __init__(self, channel: Channel, start: WorkerStart) -> None:
        self.channel = channel
        self.start = start
        self.peers = Peers(channel, start.index, start.count)
        self.metrics = Metrics()
        channel.handlers["samples"] = self._samples

    async def _samples(self, _: Raw) -> list[Samples]:
        return samples_of(self.metrics.registry)


@contextlib.asynccontextmanager
async def workers(count: int, engines: Engines | None = None) -> AsyncGenerator[tuple[Hub, list[Worker]]]:
    hub = Hub(b"config", count, engines or Engines(), lambda: "the weights are being fetched")
    made: list[Worker] = []
    ends: list[Channel] = []
    listening: list[int] = []
    for index in range(count):
        ours, theirs = socket.socketpair()
        ends.append(await hub.connect(index, ours, lambda index=index: listening.append(index)))
        channel = await Channel.open(theirs, {})
        made.append(Worker(channel, await channel.call("start", None, WorkerStart)))
        channel.notify("ready")
    for worker in made:
        await worker.peers.call("nothing", None, int)  # what was told before is heard by now
    assert listening == list(range(count))
    try:
        yield hub, made
    finally:
        for index, end in enumerate(ends):
            await hub.disconnect(index, end)
        for worker in made:
            await worker.channel.aclose()


async def test_a_worker_begins_with_its_index_and_what_is_known() -> None:
    async with workers(2) as (_, (first, second)):
        assert (first.start.config, first.start.count) == (b"config", 2)
        assert (first.start.index, second.start.index) == (0, 1)
        assert first.start.state.waiting_for == "the weights are being fetched"


async def test_all_other_workers_are_called_and_one_result_comes_back() -> None:
    async with workers(3) as (_, (caller, ignorant, knowing)):
        asked: list[str] = []

        async def knows(worker: str, known: str | None, name: str) -> str | None:
            asked.append(worker)
            return known and f"{known} {name}"

        caller.peers.handle("greet", str, lambda name: knows("caller", "never", name))
        ignorant.peers.handle("greet", str, lambda name: knows("ignorant", None, name))
        knowing.peers.handle("greet", str, lambda name: knows("knowing", "hello", name))
        assert await caller.peers.call("greet", "you", str) == "hello you"
        assert "caller" not in asked
        await knowing.channel.aclose()
        assert await caller.peers.call("greet", "you", str) is None


async def test_engines_are_the_supervisors() -> None:
    engines = Engines()
    async with workers(1, engines) as (hub, (worker,)):
        shared = SharedEngines(EngineConfig(context=777), worker.channel, 2)
        assert shared.context(None) == 777
        assert await shared.ready("small", Path("/weights"), 2048) == "http://127.0.0.1:1/small"
        assert engines.asked == [("small", Path("/weights"), 2048)]
        assert (shared.slots("small"), shared.problem("small")) == (1, None)
        shared.states = hub.state().engines
        assert (shared.slots("small"), shared.problem("small")) == (4, "it died")
        with pytest.raises(EngineError) as caught:
            await shared.ready("broken", Path("/weights"), 2048)
        error = caught.value
        assert (error.message, error.hint, error.retry_after) == ("segfault", "see the log", 2.5)
        assert error.client_message == ClientMessage("the model's engine died", "retry later")
        await worker.channel.aclose()
        with pytest.raises(EngineError, match="is gone"):
            await shared.ready("small", Path("/weights"), 2048)


async def test_any_worker_tells_the_metrics_of_all() -> None:
    async with workers(2) as (_, (first, second)):
        first.metrics.in_flight, second.metrics.in_flight = 2, 3
        for worker in (first, second):
            text = (await worker.peers.scrape()).decode()
            assert "perpend_requests_in_flight 5.0" in text
            assert "perpend_worker_restarts_total 0.0" in text
