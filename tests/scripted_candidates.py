"""Candidates by script, for strategies that draw several: what each try says, and how long it takes."""

from collections.abc import Iterable
from typing import NamedTuple

from perpend.backends.contract import CallEvent
from perpend.backends.replay import Recording, ReplayBackend
from perpend.errors import UpstreamError
from perpend.types import AnswerDelta, CallEnded, ThinkingDelta, Usage

ROOM = 8 * 4096
"""Thinking tokens with which eight candidates may begin at once."""


class Try(NamedTuple):
    answer: str
    after_s: float = 0.0
    """Of thinking."""
    thinks: int = 4
    """Tokens."""
    end: str = "stop"
    """`stop`; `length`: the answer was cut; `dies`: the server does, before it answers."""


def tries(*each: Try | str) -> ReplayBackend:
    """A chat server that plays a try for each call."""
    return ReplayBackend([recording(one if isinstance(one, Try) else Try(one)) for one in each])


def recording(one: Try) -> Recording:
    thought: list[CallEvent] = [ThinkingDelta("hm ", 1) for _ in range(one.thinks)]
    if one.end == "dies":
        return [thought, one.after_s, UpstreamError("it died")]
    return [thought, one.after_s, [*_said(one)]]


def _said(one: Try) -> Iterable[CallEvent]:
    words = len(one.answer.split())
    if one.answer:
        yield AnswerDelta(one.answer, words)
    usage = Usage(input=10, thinking=one.thinks, answer=words)
    yield CallEnded("length" if one.end == "length" else "stop", usage)
