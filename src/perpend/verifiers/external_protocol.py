"""The protocol of users' own verifiers: what they get, and what they return, as JSON."""

from typing import Any

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, VerifierFailed
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task

_PASSING_SCORE = 0.5
"""The least passing score of a verifier that returns only a score."""
_EXCERPT_BYTES = 200


class VerifierQuestion(Struct, frozen=True):
    """The JSON object that a verifier gets."""

    question: str
    answer: str
    thinking: str
    gold: str | None


class VerifierReply(Struct, frozen=True):
    """The JSON object that it returns: a score from 0 to 1, whether the candidate passed, or both."""

    score: float | None = None
    passed: bool | None = None
    feedback: str = ""


def verifier_question(task: Task, candidate: Candidate) -> VerifierQuestion:
    """What a verifier gets about a candidate."""
    gold = None if task.gold is None else _text(task.gold)
    return VerifierQuestion(_text(task.question), _text(candidate.answer), _text(candidate.thinking), gold)


def _text(text: str) -> str:
    """The text with lone surrogates, which JSON can't carry, replaced."""
    return text.encode(errors="replace").decode()


def to_verdict(name: str, value: Any) -> Verdict:
    """A verdict from a bool, a number from 0 to 1, a Verdict, or a `VerifierReply`'s fields. Raises VerifierFailed."""
    if isinstance(value, Verdict):
        return value
    if isinstance(value, bool):
        value = {"passed": value}
    elif isinstance(value, int | float):
        value = {"score": value}
    try:
        reply = msgspec.convert(value, VerifierReply)
    except msgspec.ValidationError as error:
        raise _unreadable(name, str(error)) from None
    score = reply.score
    if score is None:
        if reply.passed is None:
            raise _unreadable(name, "neither a score nor whether it passed")
        score = float(reply.passed)
    if not 0 <= score <= 1:
        raise _unreadable(name, f"the score {score:g} isn't from 0 to 1")
    passed = score >= _PASSING_SCORE if reply.passed is None else reply.passed
    if passed and score == 1:
        return PASSED
    return Verdict(score, passed, reply.feedback or ("" if passed else f"{name} didn't pass it"))


def parse_verdict(name: str, body: bytes) -> Verdict:
    """A verdict from JSON: see `to_verdict`. Raises VerifierFailed."""
    try:
        return to_verdict(name, msgspec.json.decode(body))
    except UNREADABLE:
        raise _unreadable(name, body[:_EXCERPT_BYTES].decode(errors="replace") or "nothing") from None


def _unreadable(name: str, what: str) -> VerifierFailed:
    hint = 'it should say {"score": 0.5, "passed": false, "feedback": "…"}, or one of the first two'
    return VerifierFailed(f"the verifier {name!r} said what is no verdict: {what}", hint=hint, billed=False)
