"""The engines of a process: started at first use, and no more of them loaded than the config allows."""

from pathlib import Path

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts
from perpend.engine.machine import context_for, this_machine
from perpend.engine.supervisor import Engine


class EnginePool:
    """`keep_loaded` of the config are loaded at a time; an idle one that was used least lately makes room."""

    def __init__(self, config: EngineConfig, home: Path) -> None:
        self._config = config
        self._home = home
        self._engines: dict[str, Engine] = {}  # least recently used first

    def context(self, facts: ModelFacts | None) -> int:
        """Tokens per slot for a model."""
        return context_for(self._config, this_machine(), facts)

    def get(self, name: str, path: Path, context: int) -> Engine:
        """The model's engine, not started yet where it is new; `context`: tokens per slot."""
        engine = self._engines.pop(name, None)
        if engine is None:
            engine = Engine(name, path, self._config, home=self._home, context=context)
        self._engines[name] = engine
        return engine

    def slots(self, name: str) -> int:
        """Calls that the model's engine takes at once; 1 until it has been started."""
        engine = self._engines.get(name)
        return 1 if engine is None else engine.slots

    def capacity(self, name: str) -> int | None:
        """As `slots`; None while its engine doesn't run."""
        engine = self._engines.get(name)
        return engine.slots if engine is not None and engine.state == "ready" else None

    def restarts(self) -> dict[str, int]:
        """How often each engine was started again after it ended by itself, by its model."""
        return {name: engine.restarts for name, engine in self._engines.items()}

    def problem(self, name: str) -> str | None:
        """Why the model's engine can't answer now, as clients are told; None where it can, or is being started."""
        engine = self._engines.get(name)
        return None if engine is None else engine.problem

    async def ready(self, name: str, path: Path, context: int) -> str:
        """The base URL of the model's engine; an idle one makes room for it. Raises EngineError."""
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
