"""What happened while a sample was answered, and when: its line of `events.jsonl`."""

import time
from collections.abc import Sequence

from msgspec import Struct

from perpend.types import AnswerDelta, Event, ThinkingDelta


class Moment(Struct, frozen=True, array_like=True):
    """An event, or a text that came piece by piece. Seconds since the sample was asked."""

    begun_s: float
    ended_s: float
    event: Event


class Moments(Struct, frozen=True, kw_only=True):
    """A line: all of a sample, in the order in which it began."""

    problem: str
    number: int
    events: tuple[Moment, ...]


class SampleLog:
    """Hears a sample's events; a sink."""

    def __init__(self) -> None:
        self.heard: list[tuple[float, Event]] = []
        self._began = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._began

    async def __call__(self, batch: list[Event]) -> None:
        now = self.elapsed_s
        self.heard += [(now, event) for event in batch]

    @property
    def moments(self) -> tuple[Moment, ...]:
        """Pieces of one candidate's thought, or answer, are one moment where nothing else of it came between."""
        runs: list[list[tuple[float, Event]]] = []
        last: dict[int, list[tuple[float, Event]]] = {}
        for at, event in self.heard:
            candidate: int | None = getattr(event, "candidate", None)
            run = None if candidate is None else last.get(candidate)
            if run and isinstance(event, ThinkingDelta | AnswerDelta) and type(run[0][1]) is type(event):
                run.append((at, event))
                continue
            runs.append([(at, event)])
            if candidate is not None:
                last[candidate] = runs[-1]
        return tuple(_joined(run) for run in runs)


def _joined(run: Sequence[tuple[float, Event]]) -> Moment:
    (begun, event), (ended, _) = run[0], run[-1]
    if isinstance(event, ThinkingDelta | AnswerDelta):
        pieces = [piece for _, piece in run if isinstance(piece, ThinkingDelta | AnswerDelta)]
        text, tokens = "".join(piece.text for piece in pieces), sum(piece.tokens for piece in pieces)
        event = type(event)(text, tokens, event.candidate)
    return Moment(round(begun, 4), round(ended, 4), event)
