"""Answers that are compared as text: exactly, by a pattern, or as one of several choices."""

import re

from perpend.errors import BadRequest
from perpend.types import PASSED, Verdict
from perpend.verifiers.contract import Task, Verifier, gold_of, verifiers
from perpend.verifiers.math_text import letter


class Exact(Verifier):
    """The gold itself, but for whitespace around it."""

    async def verify(self, task: Task, answer: str) -> Verdict:
        gold = gold_of(task)
        return (
            PASSED
            if answer.strip() == gold.strip()
            else Verdict(0.0, False, "the answer is a different text")
        )

    async def same(self, first: str, second: str) -> bool:
        return first.strip() == second.strip()


class Regex(Verifier):
    """The gold is a pattern (Python's `re`) that the whole answer must match."""

    async def verify(self, task: Task, answer: str) -> Verdict:
        gold = gold_of(task)
        try:
            found = re.fullmatch(gold, answer.strip(), re.DOTALL)
        except re.error as error:
            raise BadRequest(f"the pattern can't be read: {error}", field="gold") from None
        return PASSED if found else Verdict(0.0, False, f"the answer doesn't match {gold}")

    async def same(self, first: str, second: str) -> bool:
        return first.strip() == second.strip()


class Choice(Verifier):
    """A letter: the one that the answer settles on."""

    async def verify(self, task: Task, answer: str) -> Verdict:
        gold, chosen = letter(gold_of(task)), letter(answer)
        if gold is None:
            raise BadRequest("the gold names no letter from A to J", field="gold")
        if chosen is None:
            return Verdict(0.0, False, "no choice was made: end with one letter")
        return PASSED if chosen == gold else Verdict(0.0, False, f"{chosen} is the wrong choice")

    async def same(self, first: str, second: str) -> bool:
        return letter(first) == letter(second)


verifiers.register("exact")(Exact)
verifiers.register("regex")(Regex)
verifiers.register("choice")(Choice)
