"""Texts and the vectors that stand for what they mean."""

from decimal import Decimal

from msgspec import Struct

from perpend.types.usage import Usage


class EmbeddingRequest(Struct, frozen=True, kw_only=True):
    model: str
    input: str | list[str] | list[int] | list[list[int]]
    """A text or several, or the numbers of their tokens."""
    dimensions: int | None = None

    @property
    def count(self) -> int:
        """Vectors that are asked for."""
        alone = isinstance(self.input, str) or isinstance(self.input[0], int)
        return 1 if alone else len(self.input)


class EmbeddingResult(Struct, frozen=True):
    vectors: tuple[list[float], ...]
    """In the order of the texts."""
    usage: Usage
    model_version: str
    request_id: str = ""
    cost_usd: Decimal | None = Decimal(0)
    truncated: tuple[int, ...] = ()
    """Which texts are longer than the model reads: their vectors stand for their beginnings."""
