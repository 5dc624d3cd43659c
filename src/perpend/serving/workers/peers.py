"""A worker's view of the other workers."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

from perpend.serving.workers.channel import CallHandler, Channel, ChannelError
from perpend.serving.workers.messages import NOTHING, PeerCall

T = TypeVar("T")


class Peers:
    """Calls the other workers through the supervisor, and handles their calls."""

    def __init__(self, channel: Channel, index: int, count: int) -> None:
        self.index = index
        """This worker's index, from 0: unique among live workers, and the same after a restart."""
        self.count = count
        self._channel = channel
        self._handlers: dict[str, CallHandler] = {}
        channel.handlers["peer"] = self._handle

    def handle(self, method: str, argument: type[T], handler: Callable[[T], Awaitable[Any]]) -> None:
        """Registers a handler, which returns None where this worker has no result."""

        async def decoded(raw: Raw) -> Any:
            return await handler(msgspec.msgpack.decode(raw, type=argument))

        self._handlers[method] = decoded

    async def call(self, method: str, argument: Any, result: type[T]) -> T | None:
        """Returns the first result from another worker; None where none has one or the channel fails."""
        call = PeerCall(method, Raw(msgspec.msgpack.encode(argument)))
        try:
            found = await self._channel.call("peers", call, Raw)
        except ChannelError:
            return None
        return None if found == NOTHING else msgspec.msgpack.decode(found, type=result)

    async def scrape(self) -> bytes:
        """Returns the metrics of all workers in Prometheus's text format. Raises ChannelError."""
        return await self._channel.call("scrape", None, bytes)

    async def _handle(self, raw: Raw) -> Any:
        call = msgspec.msgpack.decode(raw, type=PeerCall)
        handler = self._handlers.get(call.method)
        return None if handler is None else await handler(call.argument)
