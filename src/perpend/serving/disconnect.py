"""Cancels the work on a request when its client disconnects."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

from perpend.serving.asgi import Receive

LISTEN_AFTER_S = 0.2
"""Seconds after which a request is watched: quicker ones are spared the cost."""
IDLE_S = 10.0


class DisconnectWatch:
    """Cancels the task that made it when the client disconnects; `gone` says that this was the reason."""

    __slots__ = ("_listener", "_on_idle", "_receive", "_task", "_timer", "gone")

    def __init__(self, receive: Receive, on_idle: Callable[[], Awaitable[bool]]) -> None:
        """`on_idle` is called every IDLE_S seconds while the client is connected; False means that it has gone."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None
        self._task = task
        self._receive = receive
        self._on_idle = on_idle
        self._listener: asyncio.Task[None] | None = None
        self._timer = loop.call_later(LISTEN_AFTER_S, self._start)
        self.gone = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def _start(self) -> None:
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        while await self._stays():
            pass
        self.gone = True
        self._task.cancel()

    async def _stays(self) -> bool:
        try:
            async with asyncio.timeout(IDLE_S):
                message = await self._receive()
        except TimeoutError:
            return await self._on_idle()
        return message["type"] != "http.disconnect"
