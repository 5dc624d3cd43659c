"""Requests for embeddings, and their results."""

from decimal import Decimal

from msgspec import Struct

from perpend.types.usage import Usage

_PER_TEXT = 8
"""Tokens that a model may put around a text."""


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    """Texts to embed."""

    model: str
    input: str | list[str] | list[int] | list[list[int]]
    """One text or several, as text or as token ids."""
    dimensions: int | None = None
    user: str | None = None
    """The client's own name for who asks."""

    @property
    def count(self) -> int:
        """How many vectors are requested."""
        single = isinstance(self.input, str) or isinstance(self.input[0], int)
        return 1 if single else len(self.input)

    @property
    def input_bound(self) -> int:
        """A count that its tokens can't exceed: a token is at least one byte of text."""
        texts = [self.input] if isinstance(self.input, str) else self.input
        return sum(_bound(text) for text in texts)


class EmbeddingResult(Struct, frozen=True):
    """A vector for each text."""

    vectors: tuple[list[float], ...]
    """In the order of the texts."""
    usage: Usage
    model_version: str
    request_id: str = ""
    cost_usd: Decimal | None = Decimal(0)
    truncated: tuple[int, ...] = ()
    """Indices of texts longer than the model's window: only their beginnings are embedded."""


def _bound(text: str | int | list[int]) -> int:
    if isinstance(text, str):
        return len(text.encode()) + _PER_TEXT
    return 1 if isinstance(text, int) else len(text)
