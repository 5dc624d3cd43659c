"""Token counts of one call, candidate or request; thinking and answer are disjoint parts of the output."""

from msgspec import Struct


class Usage(Struct, frozen=True):
    input: int = 0
    """Prompt tokens, cached ones included."""
    cached: int = 0
    """The part of `input` that the server had in its cache."""
    thinking: int = 0
    answer: int = 0
    written: int = 0
    """The part of `input` that was written into the cache, at a price of its own where the vendor has one."""

    @property
    def output(self) -> int:
        return self.thinking + self.answer

    @property
    def total(self) -> int:
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.thinking + other.thinking,
            self.answer + other.answer,
            self.written + other.written,
        )
