"""A process that compares mathematical answers: a pair comes in on each line of stdin, a verdict goes out.

A hostile pair ends it, by the memory or the time of the processor that it takes: on a busy machine others wait longer.
"""

import logging
import resource
import signal
import sys

import msgspec
from msgspec import Struct

_MEMORY = 2 << 30


class Pair(Struct, array_like=True):
    gold: str
    given: str


def main(seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    from perpend.verifiers.math_equal import equal

    decoder = msgspec.json.Decoder(Pair)
    out = sys.stdout.buffer
    out.write(b"ready\n")
    out.flush()
    for line in sys.stdin.buffer:
        pair = decoder.decode(line)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal kills, whatever is being computed
        try:
            verdict = b"1\n" if equal(pair.gold, pair.given) else b"0\n"
        except (Exception, RecursionError, MemoryError):
            verdict = b"0\n"
        signal.setitimer(signal.ITIMER_PROF, 0)
        out.write(verdict)
        out.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
