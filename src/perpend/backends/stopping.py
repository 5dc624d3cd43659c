"""Applies stop sequences that a server doesn't accept: cuts the text there, and ends the call."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from perpend.backends.contract import CallEvent
from perpend.errors import UpstreamError
from perpend.families.think_tags import partial_marker_length
from perpend.types import AnswerDelta, CallEnded, ToolCallDelta


class Stopper:
    """Passes a text on, piece by piece, up to the first stop sequence."""

    def __init__(self, stops: Sequence[str]) -> None:
        self.stopped: str | None = None
        """The sequence that was found."""
        self._stops = stops
        self._held = ""  # may be the beginning of one

    def feed(self, text: str) -> str:
        """The text that certainly precedes a stop sequence."""
        text = self._held + text
        first = min([(at, stop) for stop in self._stops if (at := text.find(stop)) >= 0], default=None)
        if first is not None:
            self._held = ""
            self.stopped = first[1]
            return text[: first[0]]
        certain = len(text) - partial_marker_length(self._stops, text)
        self._held = text[certain:]
        return text[:certain]

    def close(self) -> str:
        """The held text; empty after a stop."""
        held, self._held = self._held, ""
        return held


async def stopping(
    batches: AsyncGenerator[list[CallEvent]], stops: Sequence[str]
) -> AsyncGenerator[list[CallEvent], None]:
    """Yields a call's events up to a stop sequence in its answer, then cancels it: its usage is an estimate then."""
    stopper = Stopper(stops)
    async with aclosing(batches):
        try:
            async for batch in batches:
                before_stop = _before_stop(batch, stopper)
                if stopper.stopped is not None:
                    yield [*before_stop, CallEnded("stop_sequence")]
                    return
                if before_stop:
                    yield before_stop
        except UpstreamError:
            if held := stopper.close():
                yield [AnswerDelta(held, 0)]
            raise


def _before_stop(batch: list[CallEvent], stopper: Stopper) -> list[CallEvent]:
    """The events of a batch before a stop sequence."""
    events: list[CallEvent] = []
    for event in batch:
        if isinstance(event, AnswerDelta):
            event.text = stopper.feed(event.text)
            if event.text:
                events.append(event)
            if stopper.stopped is not None:
                break
            continue
        if isinstance(event, ToolCallDelta | CallEnded) and (held := stopper.close()):
            events.append(AnswerDelta(held, 0))
        events.append(event)
    return events
