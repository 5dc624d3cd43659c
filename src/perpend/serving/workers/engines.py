"""The engines as a worker sees them: they belong to the supervisor, so that each model is loaded once."""

from collections.abc import Mapping
from pathlib import Path

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts
from perpend.engine.machine import context_for, this_machine
from perpend.errors import ClientMessage, EngineError
from perpend.serving.workers.channel import Channel, Unanswered
from perpend.serving.workers.messages import EngineAnswer, EngineState, EngineWanted

_GONE = "the process that keeps the engines is gone"


class SharedEngines:
    """As `engine.pool.EnginePool`, but for restarts, which the supervisor counts."""

    def __init__(self, config: EngineConfig, channel: Channel) -> None:
        self._config = config
        self._channel = channel
        self.states: Mapping[str, EngineState] = {}
        """As the supervisor told them last."""

    def context(self, facts: ModelFacts | None) -> int:
        return context_for(self._config, this_machine(), facts)

    def slots(self, name: str) -> int:
        state = self.states.get(name)
        return 1 if state is None else state.slots

    def restarts(self) -> Mapping[str, int]:
        return {}

    def problem(self, name: str) -> str | None:
        state = self.states.get(name)
        return None if state is None else state.problem

    async def ready(self, name: str, path: Path, context: int) -> str:
        """The base URL of the model's engine, started where it isn't running. Raises EngineError."""
        wanted = EngineWanted(name, str(path), context)
        try:
            answer = await self._channel.ask("engine", wanted, EngineAnswer)
        except Unanswered:
            raise EngineError(_GONE, hint="start the gateway again", retry_after=1) from None
        if answer.url is not None:
            return answer.url
        redacted = None if answer.redacted is None else ClientMessage(*answer.redacted)
        raise EngineError(answer.message, hint=answer.hint, retry_after=answer.retry_after, redacted=redacted)

    async def aclose(self) -> None:
        """They stay, for the other workers."""
