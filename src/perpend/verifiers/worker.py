"""A process that compares mathematical answers: a pair comes in on each line of stdin, a verdict goes out.

It may hang or eat memory on a hostile pair: whoever asked keeps time and kills it.
"""

import logging
import resource
import sys

import msgspec
from msgspec import Struct

_MEMORY = 2 << 30


class Pair(Struct, array_like=True):
    gold: str
    given: str


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    from perpend.verifiers.math_equal import equal

    decoder = msgspec.json.Decoder(Pair)
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin.buffer:
        pair = decoder.decode(line)
        try:
            verdict = b"1\n" if equal(pair.gold, pair.given) else b"0\n"
        except (Exception, RecursionError, MemoryError):
            verdict = b"0\n"
        out.write(verdict)
        out.flush()


if __name__ == "__main__":
    main()
