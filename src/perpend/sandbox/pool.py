"""Slots that are started when they're first needed, and shared by whoever has programs to run."""

import asyncio
import os
from typing import Self

from perpend.errors import SandboxUnavailable
from perpend.sandbox.contract import DEFAULT_LIMITS, Limits, Outcome
from perpend.sandbox.isolation_levels import ISOLATION_LEVELS, IsolationLevel, find_isolation_level
from perpend.sandbox.slot import Slot


class Sandbox:
    """As many programs at once as there are slots; more wait."""

    def __init__(self, slots: int = 0, *, levels: tuple[IsolationLevel, ...] = ISOLATION_LEVELS) -> None:
        """`slots` 0: one for each core that this process may use. `levels`: the best first."""
        self._levels = levels
        self._level: IsolationLevel | None = None
        self._finding = asyncio.Lock()
        self._free: asyncio.Queue[Slot | None] = asyncio.Queue()
        self._count = slots or len(os.sched_getaffinity(0))
        for _ in range(self._count):
            self._free.put_nowait(None)

    async def level(self) -> IsolationLevel:
        """The best that works here. Raises SandboxUnavailable with what is wrong with each."""
        async with self._finding:
            if self._level is None:
                tried = await find_isolation_level(self._levels)
                if tried[-1].failure is not None:
                    said = "; ".join(f"{one.level.name}: {one.failure}" for one in tried)
                    raise SandboxUnavailable(
                        f"no sandbox works here: {said}", hint="perpend doctor says more"
                    )
                self._level = tried[-1].level
        return self._level

    async def run(
        self,
        program: str | bytes,
        stdin: str | bytes = b"",
        limits: Limits = DEFAULT_LIMITS,
        *,
        judge: str | bytes | None = None,
    ) -> Outcome:
        """Runs `program` (Python) to its end, or to the end that `limits` make. Cancelling kills it.

        A `judge` is a second program, which the first can't reach: they share a socket (descriptor 3), and only the
        judge has descriptor 4, what it writes to becomes the `report`. The run ends with the judge.

        Raises SandboxUnavailable where nothing here contains a program.
        """
        level = await self.level()
        slot = await self._free.get()
        try:
            if slot is not None and not slot.usable:  # it died while it waited
                await slot.aclose()
                slot = None
            if slot is None:
                slot = await level.start()
            judges = None if judge is None else _bytes(judge)
            return await slot.run(_bytes(program), _bytes(stdin), limits, judges)
        finally:
            if slot is not None and not slot.usable:
                await asyncio.shield(slot.aclose())
                slot = None
            self._free.put_nowait(slot)

    async def aclose(self) -> None:
        """Waits for what still runs. Another run would start anew."""
        for slot in [await self._free.get() for _ in range(self._count)]:
            if slot is not None:
                await slot.aclose()
            self._free.put_nowait(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _bytes(text: str | bytes) -> bytes:
    # half of a surrogate pair goes as it is: the program is told of it, not we
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text
