"""A worker's view of the supervisor's engines."""

from collections.abc import Mapping
from pathlib import Path

from perpend.config.schema import EngineConfig
from perpend.engine.gguf import ModelFacts
from perpend.engine.machine import context_for, this_machine
from perpend.engine.supervisor import file_version
from perpend.errors import ClientMessage, EngineError
from perpend.serving.workers.channel import Channel, ChannelError
from perpend.serving.workers.messages import EngineReply, EngineRequest, EngineState


class SharedEngines:
    """Has the interface of `engine.pool.Engines`, for engines in the supervisor's process."""

    def __init__(self, config: EngineConfig, channel: Channel, workers: int) -> None:
        """`workers`: number of workers that share the engines."""
        self._workers = workers
        self._config = config
        self._channel = channel
        self.states: Mapping[str, EngineState] = {}
        """States by model, as last pushed by the supervisor."""

    def context(self, facts: ModelFacts | None) -> int:
        """Returns tokens per slot."""
        return context_for(self._config, this_machine(), facts)

    def slots(self, name: str) -> int:
        state = self.states.get(name)
        return 1 if state is None else state.slots

    def weights_version(self, name: str, path: Path) -> str:
        return file_version(path)

    def capacity(self, name: str) -> int | None:
        """Returns this worker's share of the concurrent calls, since each worker admits by itself; None: unknown."""
        state = self.states.get(name)
        if state is None or state.capacity is None:
            return None
        return max(1, state.capacity // self._workers)

    def restarts(self) -> Mapping[str, int]:
        """Returns an empty mapping: the supervisor counts restarts."""
        return {}

    def problem(self, name: str) -> str | None:
        state = self.states.get(name)
        return None if state is None else state.problem

    async def ready(self, name: str, path: Path, context: int) -> str:
        """Returns the engine's base URL once it is ready; `context`: tokens per slot. Raises EngineError."""
        request = EngineRequest(name, str(path), context)
        try:
            reply = await self._channel.call("engine", request, EngineReply)
        except ChannelError:
            raise EngineError("the gateway's supervisor is gone", hint="start the gateway again") from None
        if reply.url is not None:
            return reply.url
        redacted = None if reply.redacted is None else ClientMessage(*reply.redacted)
        raise EngineError(reply.message, hint=reply.hint, retry_after=reply.retry_after, redacted=redacted)

    async def aclose(self) -> None:
        """Leaves the engines running for the other workers."""
