"""The size of a model."""

from msgspec import Struct

EPSILON = 1e-5
"""Added to the mean square in RMSNorm."""
ROPE_BASE = 10_000.0
"""The base of rotary positions' wavelengths."""


class ModelShape(Struct, frozen=True):
    vocabulary: int
    layers: int = 4
    width: int = 128
    heads: int = 4
    hidden: int = 384
    context: int = 512
    """Longest sequence in tokens."""
