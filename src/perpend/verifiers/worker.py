"""A process that checks answers by a module's `check(gold, given)`: a pair comes in on each line of stdin, what is said
of it goes out.

It may hang or eat memory on a hostile pair: whoever asked keeps time and kills it.
"""

import logging
import resource
import sys
import warnings
from collections.abc import Callable
from importlib import import_module

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest
from perpend.types import Verdict

_MEMORY = 2 << 30


class Pair(Struct, array_like=True):
    gold: str
    given: str


class Said(Struct, array_like=True):
    """A verdict, or what is wrong with the gold."""

    verdict: Verdict | None = None
    refused: str = ""


def main(module: str) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # nobody reads stderr
    check = import_module(module).check

    decoder = msgspec.json.Decoder(Pair)
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin.buffer:
        out.write(msgspec.json.encode(_said(check, decoder.decode(line))) + b"\n")
        out.flush()


def _said(check: Callable[[str, str], Verdict], pair: Pair) -> Said:
    try:
        return Said(check(pair.gold, pair.given))
    except BadRequest as error:
        return Said(refused=error.message)
    except Exception as error:
        return Said(Verdict(0.0, False, f"the answer can't be checked: {type(error).__name__}"))


if __name__ == "__main__":
    main(sys.argv[1])
