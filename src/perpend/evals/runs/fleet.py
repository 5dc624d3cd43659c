"""Many engines for one run, on a Ray cluster: each an actor that opens a `Runtime` of its own. Needs the extra `ray`.

Ray places the engines, and restarts one whose process or node died where there is room. Its open samples are then asked
of another engine. The driver holds the answers, the run's folder, cap and verifiers. Each engine writes its own node's
ledger. Actors get the driver's config; keys come from the environment of each node.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from perpend.config.schema import Config
from perpend.errors import ConfigError, EngineError, PerpendError
from perpend.evals.runs.log import SampleLog
from perpend.evals.runs.targets import Local
from perpend.extras import install
from perpend.runtime import Runtime
from perpend.types import Answer, CallFailed, Event, Request

_TRIES = 3
"""Engines that one sample is sent to at most, where each dies."""


class FleetActor:
    """The Ray actor: opens its runtime at the first call, in every process that it's started in."""

    def __init__(self, config: Config, model: str | None) -> None:
        self._config = config
        self._model = model
        self._opening: asyncio.Task[Runtime] | None = None

    async def ready(self) -> PerpendError | None:
        """Open the runtime; the error where that fails, else None."""
        try:
            await self._runtime()
        except PerpendError as error:
            return error
        return None

    async def answer(self, request: Request) -> tuple[Answer | PerpendError, list[tuple[float, Event]]]:
        """The answer and its events, each with its seconds since the start. An error is returned, since Ray would
        wrap it.
        """
        log = SampleLog()
        try:
            return await Local(await self._runtime()).answer(request, log), log.events
        except PerpendError as error:
            return error, log.events

    async def close(self) -> None:
        if self._opening is not None:
            await (await self._opening).aclose()

    async def _runtime(self) -> Runtime:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._open())
        return await asyncio.shield(self._opening)

    async def _open(self) -> Runtime:
        runtime = await Runtime.open(self._config)
        try:
            await runtime.prepare(self._model)
        except BaseException:
            await runtime.aclose()
            raise
        return runtime


class _Engine:
    """A running engine, and the number of requests that it has."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.in_flight = 0


class Fleet:
    """A target: each request goes to the engine that has the fewest."""

    def __init__(self, actors: list[Any]) -> None:
        self._actors = actors
        self._engines: list[_Engine] = []
        self._refused: list[PerpendError] = []
        self._changed = asyncio.Condition()
        self._starting = {asyncio.ensure_future(self._start(actor)) for actor in actors}

    async def answer(self, request: Request, log: SampleLog) -> Answer:
        """Ask the least busy engine, and another where it dies. Raises EngineError after three deaths, and whatever
        PerpendError the engine met.
        """
        errors = import_module("ray.exceptions")
        for _ in range(_TRIES):
            engine = await self._least_busy()
            engine.in_flight += 1
            asked_at = log.elapsed_s
            try:
                answer, events = await _result(engine.actor.answer.remote(request))
            except (errors.RayActorError, errors.OutOfMemoryError):
                await log([CallFailed(EngineError.code, "the engine died", -1)])
                self._restart(engine)
                continue
            finally:
                engine.in_flight -= 1
            log.events += [(asked_at + seconds, event) for seconds, event in events]
            if isinstance(answer, PerpendError):
                raise answer
            return answer
        raise EngineError(f"{_TRIES} engines died while they answered this", hint="see Ray's logs")

    async def wait_ready(self) -> None:
        """Wait for the first engine. Raises ConfigError where none can be started."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._engines or len(self._refused) == len(self._actors))
        if not self._engines:
            failure = self._refused[-1]
            raise ConfigError(f"no engine can be started: {failure.message}", hint=failure.hint)

    async def aclose(self) -> None:
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        closing = [engine.actor.close.remote() for engine in self._engines]
        await asyncio.gather(*map(_result, closing), return_exceptions=True)

    async def _least_busy(self) -> _Engine:
        await self.wait_ready()
        return min(self._engines, key=lambda engine: engine.in_flight)

    def _restart(self, engine: _Engine) -> None:
        """Start a dead engine again: once, though each of its requests calls this."""
        if engine in self._engines:
            self._engines.remove(engine)
            task = asyncio.ensure_future(self._start(engine.actor))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, actor: Any) -> None:
        """Add the engine once Ray has placed and started it, or its error."""
        errors = import_module("ray.exceptions")
        try:
            failure = await _result(actor.ready.options(max_task_retries=-1).remote())
        except errors.RayError as error:
            failure = EngineError(f"an engine can't be started: {error}", hint="see Ray's logs")
        async with self._changed:
            if failure is None:
                self._engines.append(_Engine(actor))
            else:
                self._refused.append(failure)
            self._changed.notify_all()


async def _result(reference: Any) -> Any:
    """Wait for a result; where the wait is cancelled, cancel the remote call."""
    try:
        return await reference
    except asyncio.CancelledError:
        import_module("ray").cancel(reference)
        raise


@asynccontextmanager
async def fleet(config: Config, model: str | None, engines: int | None = None) -> AsyncGenerator[Fleet, None]:
    """A target of `engines` engines, one on each node by default. RAY_ADDRESS names the cluster; without it a local one
    is started.

    Raises ConfigError where Ray isn't installed, can't be reached, or can't start an engine.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        ray = import_module("ray")
    except ImportError as error:
        raise ConfigError(f"{error.name} isn't installed", hint=install("perpend[ray]")) from None
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        raise ConfigError(f"no Ray cluster: {error}", hint="is RAY_ADDRESS right?") from error
    try:
        nodes = sum(bool(node["Alive"] and node["Resources"].get("CPU")) for node in ray.nodes())
        actor = ray.remote(FleetActor).options(
            num_cpus=config.engine.threads or 1, scheduling_strategy="SPREAD", max_restarts=-1
        )
        target = Fleet([actor.remote(config, model) for _ in range(engines or nodes)])
        try:
            await target.wait_ready()
            yield target
        finally:
            await target.aclose()
    finally:
        ray.shutdown()
