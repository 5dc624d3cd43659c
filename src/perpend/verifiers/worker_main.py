"""A process that checks answers by a module's `check(gold, given)`: a pair comes in on each line of stdin, what is said
of it goes out. A gold that comes alone is read by the module's `read_gold(gold)`.

A hostile pair ends it, by the memory or the time of the processor that it takes: on a busy machine others wait longer.
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

_MEMORY = 2 << 30


class Pair(Struct, array_like=True):
    gold: str
    given: str | None


class WorkerReply(Struct, array_like=True):
    """A verdict, or what is wrong with the gold."""

    verdict: Verdict | None = None
    refused: str = ""


def main(module: str, seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # nobody reads stderr
    checks = import_module(module)

    decoder = msgspec.json.Decoder(Pair)
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin.buffer:
        pair = decoder.decode(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal kills, whatever is being computed
        said = _said(checks, pair)
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(msgspec.json.encode(said) + b"\n")
        out.flush()


def _said(checks: Any, pair: Pair) -> WorkerReply:
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
