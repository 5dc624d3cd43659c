"""What admission costs a request below capacity: entered and left, and nothing else.

python -m benchmarks.admission_cost
"""

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path
from time import perf_counter

from benchmarks import machine
from perpend.accounting.ledger import Scope, Spend
from perpend.config.schema import Config, ModelConfig, ProviderConfig
from perpend.runtime import Runtime
from perpend.serving.admission import AdmissionGate
from perpend.serving.admission.start import admission_of
from perpend.solve import prepare
from perpend.types import Limits, Message, Request

TIMES = 20_000
ROUNDS = 9


async def measure(home: Path, slots: int | None) -> float:
    """Microseconds, in the best of some rounds."""
    config = Config(
        home=home,
        providers={"here": ProviderConfig(base_url="http://127.0.0.1:1/v1", slots=slots)},
        models={"m": ModelConfig(provider="here", family="qwen3")},
    )
    spent = Scope("request")
    with spent.reserve(Spend(thinking=100, answer=20)) as held:
        held.settle(Spend(thinking=100, answer=20, usd=Decimal(0)))
    async with await Runtime.open(config) as runtime:
        admission = admission_of(runtime)
        assert admission is not None
        request = Request(
            messages=(Message("user", "hi"),), model="m", limits=Limits(max_thinking_tokens=512)
        )
        prepared = await prepare(request, runtime._services)  # pyright: ignore[reportPrivateUsage]
        best_s = float("inf")
        for _ in range(ROUNDS):
            began = perf_counter()
            for _ in range(TIMES):
                gate = AdmissionGate(admission, "tenant")
                await gate.enter(prepared)
                gate.leave(spent)
            best_s = min(best_s, (perf_counter() - began) / TIMES)
    return best_s * 1e6


def main() -> None:
    print(machine.one_line())
    for slots in (None, 8):
        with tempfile.TemporaryDirectory() as home:
            known = "capacity not known" if slots is None else f"{slots} slots"
            print(f"{known}: {asyncio.run(measure(Path(home), slots)):.1f} µs a request")


if __name__ == "__main__":
    main()
