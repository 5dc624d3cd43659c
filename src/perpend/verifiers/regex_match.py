"""Matches an answer against a pattern: runs in a worker process, since a pattern may take exponential time."""

import re

from perpend.errors import BadRequest
from perpend.types import PASSED, Verdict


def read_gold(gold: str) -> re.Pattern[str]:
    """The gold as a compiled pattern. Raises BadRequest."""
    try:
        return re.compile(gold, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequest(f"the pattern can't be read: {error}") from None


def check(gold: str, given: str) -> Verdict:
    """The verdict on an answer. Raises BadRequest for the gold."""
    matches = read_gold(gold).fullmatch(given.strip())
    return PASSED if matches else Verdict(0.0, False, "the answer doesn't match the pattern")
