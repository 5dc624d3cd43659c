"""What the response cache costs and spares in the spine: a key, a request that isn't looked up, a miss and a hit.

python -m benchmarks.response_cache

In one process, with a model that answers at once and a ledger in memory: what is between a parsed request and its
answer. Microseconds, the best of several rounds; rounds of all kinds in turns.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from cached_spine import CachedSpine
from msgspec.structs import replace
from spine import request
from words import WordBackend

from benchmarks import machine
from perpend.config.schema import Config
from perpend.serving.cache.key import config_key, request_key
from perpend.solve import Origin, prepare, solve
from perpend.types import Message, Request

_ROUNDS = 15
_A_ROUND = 200
_SIZES = {"1 KB": 1_000, "100 KB": 100_000}
Step = Callable[[int], Awaitable[object]]


def asked(size: int, number: int = 0) -> Request:
    """A prompt of so many bytes; each number is another one."""
    text = f"{number:08d}" + "word " * (size // 5)
    return request(messages=(Message("user", text[:size]),), max_thinking_tokens=8)


async def measured(steps: dict[str, Step]) -> dict[str, float]:
    best = dict.fromkeys(steps, float("inf"))
    for turn in range(_ROUNDS):
        for name, step in steps.items():
            began = time.perf_counter()
            for number in range(_A_ROUND):
                await step(turn * _A_ROUND + number)
            best[name] = min(best[name], (time.perf_counter() - began) / _A_ROUND)
    return {name: round(seconds * 1e6, 1) for name, seconds in best.items()}


async def of_size(size: int) -> dict[str, float]:
    spine = CachedSpine(WordBackend(thought=1, reply=1))
    origin, config = Origin("benchmark"), config_key(Config())
    prepared = await prepare(asked(size), spine.services)
    same = replace(asked(size), cache=True)
    prompts = [asked(size, number) for number in range(_ROUNDS * _A_ROUND)]

    async def key(number: int) -> object:
        return request_key(prepared, "key_1", config)

    async def no_cache(number: int) -> object:
        return await solve(prompts[number], spine.services, origin=origin)

    async def not_asked(number: int) -> object:
        return await solve(prompts[number], spine.services, cache=spine.cache, origin=origin)

    async def miss(number: int) -> object:
        wanted = replace(prompts[number], cache=True)
        return await solve(wanted, spine.services, cache=spine.cache, origin=origin)

    async def hit(number: int) -> object:
        return await solve(same, spine.services, cache=spine.cache, origin=origin)

    return await measured(
        {"key": key, "no cache": no_cache, "not asked": not_asked, "miss": miss, "hit": hit}
    )


async def main() -> None:
    figures = {size: await of_size(count) for size, count in _SIZES.items()}
    print(json.dumps({"machine": machine.describe(), "microseconds": figures}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
