"""The process that checks answers by a module's `check(gold, given)`: each line of stdin is a `Pair`, each line of
stdout its `WorkerReply`. A gold alone is checked by the module's `read_gold(gold)`.

A pair that takes too much memory or CPU time ends the process. CPU time counts, so a busy machine does no harm.
"""

import logging
import resource
import signal
import sys
import warnings
from importlib import import_module
from typing import Any

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest
from perpend.types import PASSED, Verdict

_MEMORY_BYTES = 2 << 30


class Pair(Struct, array_like=True):
    """A gold and an answer; `given` None: the gold alone is to be checked."""

    gold: str
    given: str | None


class WorkerReply(Struct, array_like=True):
    """A verdict, or why the gold is refused."""

    verdict: Verdict | None = None
    refused: str = ""


def main(module: str, seconds: float) -> None:
    """Serve stdin until it ends; each check may take `seconds` of CPU time."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # nobody reads stderr
    checks = import_module(module)

    decoder = msgspec.json.Decoder(Pair)
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin.buffer:
        pair = decoder.decode(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF kills the process, whatever it computes
        reply = _reply(checks, pair)
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(msgspec.json.encode(reply) + b"\n")
        out.flush()


def _reply(checks: Any, pair: Pair) -> WorkerReply:
    try:
        if pair.given is not None:
            return WorkerReply(checks.check(pair.gold, pair.given))
        checks.read_gold(pair.gold)
        return WorkerReply(PASSED)
    except BadRequest as error:
        return WorkerReply(refused=error.message)
    except Exception as error:
        what = "gold" if pair.given is None else "answer"
        return WorkerReply(Verdict(0.0, False, f"the {what} can't be checked: {type(error).__name__}"))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
