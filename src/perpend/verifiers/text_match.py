"""Compares answers as text: exactly, by a pattern, or as one of several choices."""

from perpend.errors import BadRequest
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.choices import letter
from perpend.verifiers.contract import GOLD, Task, Verifier, verifiers
from perpend.verifiers.worker_pool import WorkerVerifier


class Exact(Verifier):
    """The answer equals the gold, but for white space around it."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        if candidate.answer.strip() == task.required_gold.strip():
            return PASSED
        return Verdict(0.0, False, "the answer is a different text")

    async def same(self, first: str, second: str) -> bool:
        return first.strip() == second.strip()


class Regex(WorkerVerifier):
    """The gold is a pattern (Python's `re`) that the whole answer must match."""

    module = "perpend.verifiers.regex_match"
    timeout_feedback = "matching the answer against the pattern took too long"

    async def same(self, first: str, second: str) -> bool:
        return first.strip() == second.strip()


class MultipleChoice(Verifier):
    """The gold is a letter, and the answer chooses it (see `choices`)."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        gold, chosen = _chosen(task.required_gold), letter(candidate.answer)
        if chosen is None:
            return Verdict(0.0, False, "no choice was made: end with one letter")
        return PASSED if chosen == gold else Verdict(0.0, False, f"{chosen} is the wrong choice")

    async def check(self, task: Task) -> None:
        _chosen(task.required_gold)

    async def same(self, first: str, second: str) -> bool:
        return letter(first) == letter(second)


def _chosen(gold: str) -> str:
    chosen = letter(gold)
    if chosen is None:
        raise BadRequest("the gold names no letter from A to J", field=GOLD)
    return chosen


verifiers.register("exact")(Exact)
verifiers.register("regex")(Regex)
verifiers.register("choice")(MultipleChoice)
