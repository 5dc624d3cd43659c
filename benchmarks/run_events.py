"""What a sample's events cost: CPU for each thousand tokens, and bytes on the disk beside its text.

python -m benchmarks.run_events
"""

import asyncio
import time
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import msgspec
from msgspec.structs import replace

from benchmarks import machine
from perpend.config.schema import Config
from perpend.evals.runs.log import Moment, Moments, SampleLog
from perpend.runtime import Runtime
from perpend.types import AnswerDelta, Event, Limits, Message, Request, Sampling, StrategySpec, ThinkingDelta

_TOKENS = 1000
_ROUNDS = 20
_SAMPLES = 100


def line(events: tuple[Moment, ...]) -> bytes:
    return msgspec.json.encode(Moments(problem="p123", number=0, events=events))


async def cpu_s() -> float:
    """The least of some rounds: every token comes alone."""
    seconds: list[float] = []
    for _ in range(_ROUNDS):
        batches: list[list[Event]] = [[ThinkingDelta(" word")] for _ in range(_TOKENS)]
        began = time.process_time()
        log = SampleLog()
        for batch in batches:
            await log(batch)
        line(log.moments)
        seconds.append(time.process_time() - began)
    return min(seconds)


async def bytes_beside_text(strategy: StrategySpec) -> float:
    """Mean of samples of the tiny reasoner."""
    found: list[int] = []
    with TemporaryDirectory() as home:
        async with await Runtime.open(replace(Config(), home=Path(home))) as runtime:
            for number in range(_SAMPLES):
                log = SampleLog()
                request = Request(
                    messages=(Message("user", f"Add {number} and {3 * number + 11}."),),
                    model="tiny",
                    limits=Limits(max_thinking_tokens=64 * strategy.options.get("n", 1)),
                    sampling=Sampling(seed=number),
                    strategy=strategy,
                )
                await runtime.solve(request, log_sink=log, source="eval")
                said = [
                    event.text for _, event in log.events if isinstance(event, ThinkingDelta | AnswerDelta)
                ]
                found.append(len(line(log.moments)) - sum(map(len, said)))
    return fmean(found)


async def main() -> None:
    print(machine.one_line())
    print(f"{await cpu_s() * 1e3:.2f} ms of CPU for {_TOKENS} tokens")
    for strategy in (StrategySpec(), StrategySpec("self_consistency", {"n": 8})):
        print(
            f"{strategy.name}: {await bytes_beside_text(strategy):.0f} bytes beside the text (n = {_SAMPLES})"
        )


if __name__ == "__main__":
    asyncio.run(main())
