"""Concurrent workers that ask a model."""

import asyncio
from collections.abc import Awaitable, Callable

from perpend.errors import AccountRefused, BadRequest, ConfigError, Unauthenticated

FATAL_FAILURES = (Unauthenticated, BadRequest, ConfigError, AccountRefused)
"""Errors that every request would meet: the first one stops the run."""


async def run_workers(count: int, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work` in `count` concurrent tasks. Raises the first failure, once the other tasks have stopped."""
    workers = [asyncio.ensure_future(work()) for _ in range(count)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
