"""Makes the default model ready, and tells people how far it is."""

import asyncio
import itertools
import sys

from perpend.engine.pull import PullProgress
from perpend.errors import PerpendError
from perpend.runtime import Runtime
from perpend.serving.errors import unexpected
from perpend.serving.info import Readiness

RETRY_S = (5, 10, 20, 60)
"""Between tries; the last one repeats."""


async def prepare(runtime: Runtime, readiness: Readiness) -> None:
    """Make the default model ready, however long it takes; requests may come meanwhile."""
    name = runtime.config.defaults.model
    for wait in itertools.chain(RETRY_S, itertools.repeat(RETRY_S[-1])):
        try:
            await runtime.prepare(None, _Lines(name))
        except PerpendError as error:
            problem = error
        except Exception as error:
            problem = unexpected(error)
        else:
            readiness.waiting_for = None
            say(f"{name} is ready")
            return
        readiness.waiting_for = problem.client_message.message
        say(f"{name} isn't ready: {problem}\n  trying again in {wait} s")
        await asyncio.sleep(wait)


class _Lines:
    """Tells of a pull in a line for each tenth of it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tenths = -1

    def __call__(self, progress: PullProgress) -> None:
        if progress.notice:
            say(progress.notice)
        tenths = 10 * progress.done // max(1, progress.total)
        if tenths > self._tenths:
            self._tenths = tenths
            done, total = progress.done / 1e6, progress.total / 1e6
            say(f"fetching {self._name} from {progress.source}: {done:,.0f} of {total:,.0f} MB")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
