"""The engines of a process: started at first use, and no more of them loaded than the config allows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts
from perpend.engine.machine import context_for, this_machine
from perpend.engine.supervisor import Engine, file_version


class Engines(Protocol):
    """The engines of embedded models: of this process, or of one that keeps them for several."""

    def context(self, facts: ModelFacts | None) -> int:
        """Tokens per slot for a model."""
        ...

    def slots(self, name: str) -> int:
        """Calls that the model's engine takes at once; 1 until it has been started."""
        ...

    def weights_version(self, name: str, path: Path) -> str:
        """Of the weights that the model's engine has loaded, or will load."""
        ...

    def capacity(self, name: str) -> int | None:
        """As `slots`; None while its engine doesn't run."""
        ...

    def restarts(self) -> Mapping[str, int]:
        """How often each engine was started again after it ended by itself, by its model."""
        ...

    def problem(self, name: str) -> str | None:
        """Why the model's engine answers nobody now, in clients' words; None: it does, or it is started for them."""
        ...

    async def ready(self, name: str, path: Path, context: int) -> str:
        """The base URL of the model's engine; an idle one makes room for it. Raises EngineError."""
        ...

    async def aclose(self) -> None: ...


class EnginePool:
    """`keep_loaded` of the config are loaded at a time; an idle one that was used least lately makes room."""

    def __init__(self, config: EngineConfig, home: Path) -> None:
        self._config = config
        self._home = home
        self._engines: dict[str, Engine] = {}  # least recently used first

    def context(self, facts: ModelFacts | None) -> int:
        return context_for(self._config, this_machine(), facts)

    def get(self, name: str, path: Path, context: int) -> Engine:
        """The model's engine, not started yet where it is new; `context`: tokens per slot."""
        engine = self._engines.pop(name, None)
        if engine is None:
            engine = Engine(name, path, self._config, home=self._home, context=context)
        self._engines[name] = engine
        return engine

    def slots(self, name: str) -> int:
        engine = self._engines.get(name)
        return 1 if engine is None else engine.slots

    def weights_version(self, name: str, path: Path) -> str:
        engine = self._engines.get(name)
        return file_version(path) if engine is None or engine.state != "ready" else engine.weights

    def capacity(self, name: str) -> int | None:
        engine = self._engines.get(name)
        return engine.slots if engine is not None and engine.state == "ready" else None

    def restarts(self) -> dict[str, int]:
        return {name: engine.restarts for name, engine in self._engines.items()}

    def problem(self, name: str) -> str | None:
        engine = self._engines.get(name)
        return None if engine is None else engine.problem

    async def ready(self, name: str, path: Path, context: int) -> str:
        engine = self.get(name, path, context)
        if engine.state == "stopped":
            await self._stop_idle(engine)
        return await engine.ready()

    async def _stop_idle(self, starting: Engine) -> None:
        loaded = [e for e in self._engines.values() if e is not starting and e.state in ("ready", "starting")]
        for engine in loaded:
            if len(loaded) < self._config.keep_loaded:
                return
            if engine.state == "ready" and not await engine.busy():
                await engine.stop()
                loaded = [other for other in loaded if other is not engine]

    async def aclose(self) -> None:
        for engine in list(self._engines.values()):  # a request under way may still ask for one
            await engine.stop()
