"""Many engines for one run, on a Ray cluster: each an actor that opens a `Runtime` of its own. Needs the extra `ray`.

Ray places them, and starts one again where there is room when its process or its node dies. The samples that it had are
then asked of another one; those that were answered are with the driver, which has the run's folder, cap and verifiers.
Each engine writes the ledger of its own node. Config travels to them; keys come from the environment of each node.
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
"""Engines that may die of one sample."""


class FleetActor:
    """The actor: opens when it's first asked, in every process that it's started in."""

    def __init__(self, config: Config, model: str | None) -> None:
        self._config = config
        self._model = model
        self._opening: asyncio.Task[Runtime] | None = None

    async def ready(self) -> PerpendError | None:
        """What is in the way."""
        try:
            await self._runtime()
        except PerpendError as error:
            return error
        return None

    async def answer(self, request: Request) -> tuple[Answer | PerpendError, list[tuple[float, Event]]]:
        """With what was heard. A failure is returned, so that it arrives as what it is."""
        log = SampleLog()
        try:
            return await Local(await self._runtime()).answer(request, log), log.heard
        except PerpendError as error:
            return error, log.heard

    async def close(self) -> None:
        if self._opening is not None:
            await (await self._opening).aclose()

    async def _runtime(self) -> Runtime:
        if self._opening is None:
            self._opening = asyncio.ensure_future(self._opened())
        return await asyncio.shield(self._opening)

    async def _opened(self) -> Runtime:
        runtime = await Runtime.open(self._config)
        try:
            await runtime.prepare(self._model)
        except BaseException:
            await runtime.aclose()
            raise
        return runtime


class _Engine:
    """An engine from its start to its death."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.asked = 0


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
            engine = await self._least_asked()
            engine.asked += 1
            began = log.elapsed_s
            try:
                answer, heard = await _result(engine.actor.answer.remote(request))
            except (errors.RayActorError, errors.OutOfMemoryError):
                await log([CallFailed(EngineError.code, "the engine died", -1)])
                self._restart(engine)
                continue
            finally:
                engine.asked -= 1
            log.heard += [(began + at, event) for at, event in heard]
            if isinstance(answer, PerpendError):
                raise answer
            return answer
        raise EngineError(f"{_TRIES} engines died while they answered this", hint="see Ray's logs")

    async def begun(self) -> None:
        """Waits for an engine. Raises ConfigError where none can be started."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._engines or len(self._refused) == len(self._actors))
        if not self._engines:
            refused = self._refused[-1]
            raise ConfigError(f"no engine can be started: {refused.message}", hint=refused.hint)

    async def aclose(self) -> None:
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        closing = [engine.actor.close.remote() for engine in self._engines]
        await asyncio.gather(*map(_result, closing), return_exceptions=True)

    async def _least_asked(self) -> _Engine:
        await self.begun()
        return min(self._engines, key=lambda engine: engine.asked)

    def _restart(self, engine: _Engine) -> None:
        """Called for each request that it died of; the first call starts it again."""
        if engine in self._engines:
            self._engines.remove(engine)
            task = asyncio.ensure_future(self._start(engine.actor))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start(self, actor: Any) -> None:
        """As soon as Ray has room for it."""
        errors = import_module("ray.exceptions")
        try:
            refused = await _result(actor.ready.options(max_task_retries=-1).remote())
        except errors.RayError as error:
            refused = EngineError(f"an engine can't be started: {error}", hint="see Ray's logs")
        async with self._changed:
            if refused is None:
                self._engines.append(_Engine(actor))
            else:
                self._refused.append(refused)
            self._changed.notify_all()


async def _result(reference: Any) -> Any:
    """Wait for a result; where nobody waits for it any more, cancel its work."""
    try:
        return await reference
    except asyncio.CancelledError:
        import_module("ray").cancel(reference)
        raise


@asynccontextmanager
async def fleet(config: Config, model: str | None, engines: int | None = None) -> AsyncGenerator[Fleet, None]:
    """`engines`: one on each node, unless it says how many. RAY_ADDRESS names the cluster; else this machine has one.

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
        made = Fleet([actor.remote(config, model) for _ in range(engines or nodes)])
        try:
            await made.begun()
            yield made
        finally:
            await made.aclose()
    finally:
        ray.shutdown()
