"""Whether a text matches a pattern, which may take for ever: runs in a worker process."""

import re

from perpend.errors import BadRequest
from perpend.types import PASSED, Verdict


def read_gold(gold: str) -> re.Pattern[str]:
    """Raises BadRequest."""
    try:
        return re.compile(gold, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequest(f"the pattern can't be read: {error}") from None


def check(gold: str, given: str) -> Verdict:
    """Raises BadRequest."""
    matches = read_gold(gold).fullmatch(given.strip())
    return PASSED if matches else Verdict(0.0, False, "the answer doesn't match the pattern")
