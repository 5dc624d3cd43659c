"""Whether a text matches a pattern, which may take for ever: runs in a worker process."""

import re

from perpend.errors import BadRequest
from perpend.types import PASSED, Verdict


def check(gold: str, given: str) -> Verdict:
    """Raises BadRequest."""
    try:
        pattern = re.compile(gold, re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequest(f"the pattern can't be read: {error}") from None
    return (
        PASSED
        if pattern.fullmatch(given.strip())
        else Verdict(0.0, False, "the answer doesn't match the pattern")
    )
