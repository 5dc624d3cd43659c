"""A pool of slots, each started when it is first needed."""

import asyncio
import os
from typing import Self

from perpend.errors import SandboxUnavailable
from perpend.sandbox.contract import DEFAULT_LIMITS, Limits, Outcome
from perpend.sandbox.isolation_levels import ISOLATION_LEVELS, IsolationLevel, find_isolation_level
from perpend.sandbox.slot import Slot


class Sandbox:
    """Runs as many programs at once as it has slots; further ones wait."""

    def __init__(self, slots: int = 0, *, levels: tuple[IsolationLevel, ...] = ISOLATION_LEVELS) -> None:
        """`slots`: 0 means one for each core that this process may use. `levels`: the strongest first."""
        self._levels = levels
        self._level: IsolationLevel | None = None
        self._level_lock = asyncio.Lock()
        self._free: asyncio.Queue[Slot | None] = asyncio.Queue()
        self._count = slots or len(os.sched_getaffinity(0))
        for _ in range(self._count):
            self._free.put_nowait(None)

    async def level(self) -> IsolationLevel:
        """The strongest level that works here. Raises SandboxUnavailable, which names each level's failure."""
        async with self._level_lock:
            if self._level is None:
                trials = await find_isolation_level(self._levels)
                if trials[-1].failure is not None:
                    failures = "; ".join(f"{trial.level.name}: {trial.failure}" for trial in trials)
                    raise SandboxUnavailable(
                        f"no sandbox works here: {failures}", hint="run `perpend doctor` for details"
                    )
                self._level = trials[-1].level
        return self._level

    async def run(
        self,
        program: str | bytes,
        stdin: str | bytes = b"",
        limits: Limits = DEFAULT_LIMITS,
        *,
        judge: str | bytes | None = None,
    ) -> Outcome:
        """Runs `program` (Python) until it ends or reaches a limit. Cancelling kills it.

        A `judge` is a second program in a process of its own. Both have one end of a socket (descriptor 3); the judge
        alone has descriptor 4, where it writes its report. The run ends when the judge ends.

        Raises SandboxUnavailable where no level works here, or the slot breaks.
        """
        level = await self.level()
        slot = await self._free.get()
        try:
            if slot is not None and not slot.usable:  # it died while it was idle
                await slot.aclose()
                slot = None
            if slot is None:
                slot = await level.start()
            judge_source = None if judge is None else _encode(judge)
            return await slot.run(_encode(program), _encode(stdin), limits, judge_source)
        finally:
            if slot is not None and not slot.usable:
                await asyncio.shield(slot.aclose())
                slot = None
            self._free.put_nowait(slot)

    async def aclose(self) -> None:
        """Waits for running programs, then stops all slots; a later run starts new ones."""
        for slot in [await self._free.get() for _ in range(self._count)]:
            if slot is not None:
                await slot.aclose()
            self._free.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _encode(text: str | bytes) -> bytes:
    # half of a surrogate pair is passed on: the program's interpreter reports it
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text
