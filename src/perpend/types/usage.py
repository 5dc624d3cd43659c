"""Token counts of one call, candidate or request; thinking and answer are disjoint parts of the output."""

from msgspec import Struct


class Usage(Struct, frozen=True):
    input: int = 0
    """Prompt tokens, cached ones included."""
    cached: int = 0
    """The part of `input` that the server had in its cache."""
    thinking: int = 0
    answer: int = 0

    @property
    def output(self) -> int:
        """Thinking and answer tokens."""
        return self.thinking + self.answer

    @property
    def total(self) -> int:
        """Input and output tokens."""
        return self.input + self.output

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input + other.input,
            self.cached + other.cached,
            self.thinking + other.thinking,
            self.answer + other.answer,
        )
