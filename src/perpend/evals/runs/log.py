"""The events of a sample with their times: its line of `events.jsonl`."""

import time
from collections.abc import Sequence

from msgspec import Struct

from perpend.types import AnswerDelta, Event, ThinkingDelta


class Moment(Struct, frozen=True, array_like=True):
    """An event, or the joined pieces of a text. Times are seconds since the sample was asked."""

    begun_s: float
    ended_s: float
    event: Event


class Moments(Struct, frozen=True, kw_only=True):
    """A line of `events.jsonl`: a sample's moments, in the order of their begin."""

    problem: str
    number: int
    events: tuple[Moment, ...]


class SampleLog:
    """A sink that keeps a sample's events, each with its seconds since the sample was asked."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Event]] = []
        self._began = time.perf_counter()

    @property
    def elapsed_s(self) -> float:
        return time.perf_counter() - self._began

    async def __call__(self, batch: list[Event]) -> None:
        now = self.elapsed_s
        self.events += [(now, event) for event in batch]

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The events; consecutive pieces of a candidate's thought or answer are joined into one moment."""
        runs: list[list[tuple[float, Event]]] = []
        last: dict[int, list[tuple[float, Event]]] = {}
        for seconds, event in self.events:
            candidate: int | None = getattr(event, "candidate", None)
            run = None if candidate is None else last.get(candidate)
            if run and isinstance(event, ThinkingDelta | AnswerDelta) and type(run[0][1]) is type(event):
                run.append((seconds, event))
                continue
            runs.append([(seconds, event)])
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
