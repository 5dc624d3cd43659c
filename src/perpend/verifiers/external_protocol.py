"""What verifiers outside this house are given, and how what they say is read: JSON both ways."""

from typing import Any

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, VerifierFailed
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import Task

_PASSES = 0.5
"""The score from which on who gives only a score has passed a candidate."""
_EXCERPT = 200


class VerifierQuestion(Struct, frozen=True):
    """The JSON object that they get."""

    question: str
    answer: str
    thinking: str
    gold: str | None


class VerifierReply(Struct, frozen=True):
    """The JSON object that they give: a score from 0 to 1, whether it passed, or both."""

    score: float | None = None
    passed: bool | None = None
    feedback: str = ""


def asked(task: Task, candidate: Candidate) -> VerifierQuestion:
    gold = None if task.gold is None else _text(task.gold)
    return VerifierQuestion(_text(task.question), _text(candidate.answer), _text(candidate.thinking), gold)


def _text(text: str) -> str:
    """Half a surrogate pair can't be sent."""
    return text.encode(errors="replace").decode()


def verdict(name: str, said: Any) -> Verdict:
    """From true, false, a number from 0 to 1, a Verdict or an object like `VerifierReply`. Raises VerifierFailed."""
    if isinstance(said, Verdict):
        return said
    if isinstance(said, bool):
        said = {"passed": said}
    elif isinstance(said, int | float):
        said = {"score": said}
    try:
        told = msgspec.convert(said, VerifierReply)
    except msgspec.ValidationError as error:
        raise _unreadable(name, str(error)) from None
    score = told.score
    if score is None:
        if told.passed is None:
            raise _unreadable(name, "neither a score nor whether it passed")
        score = float(told.passed)
    if not 0 <= score <= 1:
        raise _unreadable(name, f"the score {score:g} isn't from 0 to 1")
    passed = score >= _PASSES if told.passed is None else told.passed
    if passed and score == 1:
        return PASSED
    return Verdict(score, passed, told.feedback or ("" if passed else f"{name} didn't pass it"))


def read(name: str, body: bytes) -> Verdict:
    """From JSON. Raises VerifierFailed."""
    try:
        return verdict(name, msgspec.json.decode(body))
    except UNREADABLE:
        raise _unreadable(name, body[:_EXCERPT].decode(errors="replace") or "nothing") from None


def _unreadable(name: str, said: str) -> VerifierFailed:
    hint = 'it should say {"score": 0.5, "passed": false, "feedback": "…"}, or one of the first two'
    return VerifierFailed(f"the verifier {name!r} said what is no verdict: {said}", hint=hint, billed=False)
