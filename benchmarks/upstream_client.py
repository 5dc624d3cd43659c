"""The client of upstreams beside aiohttp: CPU of one streamed reply of 27 events, both on one core.

python -m benchmarks.upstream_client
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import aiohttp
import uvloop

from benchmarks import machine
from benchmarks.load import gateways
from perpend.transport.client import HTTPClient, UpstreamAccount

BODY = (
    b'{"model": "fake-reasoner", "messages": [], "stream": true, "stream_options": {"include_usage": true}}'
)
HEADERS = {"content-type": "application/json", "authorization": "Bearer k"}
ROUNDS = 5
REPLIES = 6400

Once = Callable[[], Awaitable[None]]


async def cpu_us(once: Once, clients: int) -> float:
    """CPU microseconds of one reply."""

    async def client(replies: int) -> None:
        for _ in range(replies):
            await once()

    await asyncio.gather(*(client(10) for _ in range(clients)))
    began = time.process_time()
    await asyncio.gather(*(client(REPLIES // clients) for _ in range(clients)))
    return (time.process_time() - began) / REPLIES * 1e6


async def compare(url: str, clients: int) -> tuple[list[float], list[float]]:
    own, account = HTTPClient(), UpstreamAccount(HEADERS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        connector=connector, headers=HEADERS, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def ours() -> None:
            async for _ in own.stream_sse(url, BODY, account):
                pass

        async def theirs() -> None:
            async with session.post(url, data=BODY) as response:
                async for _ in response.content.iter_any():
                    pass

        pairs = [(await cpu_us(ours, clients), await cpu_us(theirs, clients)) for _ in range(ROUNDS)]
    await own.aclose()
    return [mine for mine, _ in pairs], [other for _, other in pairs]


def main() -> None:
    print(machine.one_line())
    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder, gateways.upstream(cores[-1], Path(folder), 0) as upstream:
        os.sched_setaffinity(0, {cores[0]})
        for clients in (1, 64):
            ours, theirs = uvloop.run(compare(f"{upstream.endpoint.url}/chat/completions", clients))
            ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
            print(
                f"{clients:3} clients: perpend {median(ours):6.1f} µs (events parsed), "
                f"aiohttp {median(theirs):6.1f} µs (bytes only), ratio {ratio:.1f}"
            )


main()
