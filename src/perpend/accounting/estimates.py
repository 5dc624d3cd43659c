"""How fast and how long a model has been, and how many tokens a text is worth where a server doesn't count."""

import math

from perpend.types import Usage

_HALF_LIFE_TOKENS = 256.0
"""Older decoding counts half after this many newer tokens."""
_HALF_LIFE_BYTES = 8192.0
_FIRST_TOKEN_WEIGHT = 0.3
_LENGTH_WEIGHT = 0.2
_OVERDUE = 0.25
"""What lasts longer than it usually does is expected to go on for this much of what it has lasted."""
_PRIOR_BYTES = 300.0
_PRIOR_BYTES_PER_TOKEN = 3.0


class Speed:
    """A model's measured pace. Before the first measurement it is the slow guess it was made with."""

    __slots__ = ("_bytes", "_decode_s", "_decoded", "_text_tokens", "_waited", "first_token_s", "measured")

    def __init__(self, *, tokens_per_s: float = 20.0, first_token_s: float = 1.0) -> None:
        self._decoded = tokens_per_s
        self._decode_s = 1.0
        self.first_token_s = first_token_s
        """Seconds from a call's start to its first token."""
        self._waited = False
        self.measured = False
        """Some decoding was observed: figures are no longer the guess."""
        # Tokens are over-estimated to begin with (English has about 4 bytes to a token), never under.
        self._bytes = _PRIOR_BYTES
        self._text_tokens = _PRIOR_BYTES / _PRIOR_BYTES_PER_TOKEN

    @property
    def tokens_per_s(self) -> float:
        return self._decoded / self._decode_s

    @property
    def tokens_per_byte(self) -> float:
        return self._text_tokens / self._bytes

    def observe(self, *, tokens: int, decode_s: float, first_token_s: float | None = None) -> None:
        """One call: its first token after `first_token_s`, the last of `tokens` another `decode_s` later."""
        if first_token_s is not None:
            weight = _FIRST_TOKEN_WEIGHT if self._waited else 1.0
            self._waited = True
            self.first_token_s += weight * (first_token_s - self.first_token_s)
        decoded = tokens - 1  # the first one's time is the wait before it
        if decoded < 1 or decode_s <= 0:
            return
        kept = 0.5 ** (decoded / _HALF_LIFE_TOKENS) if self.measured else 0.0
        self.measured = True
        self._decoded = self._decoded * kept + decoded
        self._decode_s = self._decode_s * kept + decode_s

    def observe_text(self, text: str, tokens: int) -> None:
        """A server counted `text`, all of it and nothing hidden, as `tokens`."""
        size = _size(text)
        if 0 < tokens <= size:  # a token is at least a byte: more were counted for text that wasn't shown
            kept = 0.5 ** (size / _HALF_LIFE_BYTES)
            self._bytes = self._bytes * kept + size
            self._text_tokens = self._text_tokens * kept + tokens

    def seconds_for(self, tokens: int) -> float:
        """Seconds that a new call of `tokens` takes, its first token's wait included."""
        return self.first_token_s + tokens / self.tokens_per_s

    def estimate_tokens(self, text: str) -> int:
        """At least 1 for a text that isn't empty."""
        return math.ceil(_size(text) * self.tokens_per_byte)


class Lengths:
    """How much of its thinking budget a model usually uses, and how many tokens its answers have."""

    __slots__ = ("_answer", "_share")

    def __init__(self, *, share: float = 0.5, answer: float = 96.0) -> None:
        """The guess that serves until something was observed."""
        self._share = share
        self._answer = answer

    def observe(self, *, thinking: int, budget: int, answer: int) -> None:
        """One candidate that was written to its end."""
        if budget:
            self._share += _LENGTH_WEIGHT * (min(1.0, thinking / budget) - self._share)
        self._answer += _LENGTH_WEIGHT * (answer - self._answer)

    def thinking_left(self, budget: int, so_far: int) -> float:
        """Tokens that a thought inside `budget` is expected to go on for; never more than it may."""
        return min(remaining(self._share * budget, so_far), max(0, budget - so_far))

    def answer_left(self, most: int, so_far: int) -> float:
        """Tokens that an answer of at most `most` is expected to go on for."""
        return min(remaining(self._answer, so_far), max(0, most - so_far))


def remaining(usual: float, so_far: float) -> float:
    """What is expected still of something that usually lasts so long."""
    return max(usual - so_far, _OVERDUE * so_far)


def split(reported: Usage, thinking: int, answer: int) -> Usage:
    """The server's count of a whole output, split as the estimates of its two texts are."""
    output, seen = reported.output, thinking + answer
    thought = output * thinking // seen if answer else output
    return Usage(reported.input, reported.cached, thought, output - thought)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
