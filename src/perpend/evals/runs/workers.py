"""Workers that ask a model, several side by side."""

import asyncio
from collections.abc import Awaitable, Callable

from perpend.errors import AccountRefused, BadRequest, ConfigError, Unauthenticated

ALL_WOULD = (Unauthenticated, BadRequest, ConfigError, AccountRefused)
"""Failures that every request would meet: the first one stops all."""


async def side_by_side(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """`work`, so many times at once. The first failure is raised when the others have stopped."""
    workers = [asyncio.ensure_future(work()) for _ in range(count)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
