"""What a suite is made of."""

from msgspec import Struct

from perpend.types import Message, VerifierSpec


class Problem(Struct, frozen=True, kw_only=True):
    """One question. Its gold is in the verifier's spec alone: a request that is to be graded afterwards has none."""

    id: str
    messages: tuple[Message, ...]
    verifier: VerifierSpec | None
    """None where answers are graded elsewhere."""
    date: str | None = None
    """When it was published: YYYY, YYYY-MM or YYYY-MM-DD."""
    category: str | None = None
    solution: str | None = None
    """A right answer that is worked out, or where the gold isn't one. No model sees it."""

    @property
    def gold(self) -> str | None:
        return self.verifier.gold if self.verifier else None
