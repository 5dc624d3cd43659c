"""What a backend is: one wire protocol, turning a `Call` into batches of events."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from msgspec import Struct

from perpend.backends.families import Family
from perpend.types import AnswerDelta, CallEnded, Effort, Message, Sampling, ThinkingDelta

CallEvent = ThinkingDelta | AnswerDelta | CallEnded
CallPhase = Literal["thinking", "answering", "both"]


class Call(Struct, frozen=True, kw_only=True):
    """One call to a model. `max_tokens` bounds everything that it may generate."""

    model: str
    """The name that the provider knows it by."""
    family: Family
    messages: tuple[Message, ...]
    max_tokens: int
    phase: CallPhase = "both"
    thinking_tokens: int = 0
    """The share of `max_tokens` meant for thinking: native budgets and efforts are set from it."""
    effort: Effort = "none"
    sampling: Sampling = Sampling()
    continuation: str = ""
    """Assistant text to go on from, think tags included; only for backends that continue."""


class Backend(Protocol):
    """`stream` yields what came in each read, as one batch, and ends with a `CallEnded`.

    Closing the iterator early cancels the call upstream. Raises UpstreamError or EngineError.
    """

    continues: bool
    """Can go on from a given prefix, so thinking budgets are exact."""
    resumes: bool
    """A continued sequence isn't billed again: its input counts once."""

    def stream(self, call: Call) -> AsyncGenerator[list[CallEvent], None]: ...

    async def count_input(self, call: Call) -> int | None:
        """Exact prompt tokens of `call`, or None where the server can't be asked."""
        ...


def append_text(
    batch: list[CallEvent], kind: type[ThinkingDelta] | type[AnswerDelta], text: str, tokens: int
) -> None:
    """What came in one read leaves in one piece: text of the same kind is joined."""
    last = batch[-1] if batch else None
    if isinstance(last, kind):
        last.text += text
        last.tokens += tokens
    else:
        batch.append(kind(text, tokens))
