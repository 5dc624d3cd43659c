"""The final answer of a text, compared as a number where it is one and as text where it isn't. Needs no extra."""

from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers import numbers
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.math_text import announced, boxed, last_number, letter, plain


class FinalAnswer(Verifier):
    """How votes are counted where a request names no verifier."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        if await self.same(task.right, candidate.answer):
            return PASSED
        return Verdict(0.0, False, "the final answer is another one")

    async def same(self, first: str, second: str) -> bool:
        one, other = final(first), final(second)
        if one.casefold() == other.casefold():
            return True
        as_numbers = numbers.number(one), numbers.number(other)
        return None not in as_numbers and numbers.equal(*as_numbers)  # pyright: ignore[reportArgumentType]


def final(text: str) -> str:
    """What a text settles on: its last box, what it announces, its only line, its last number, or all of it."""
    text = text.strip()
    found = boxed(text)
    said = found[-1] if found else announced(text)
    if said is None and "\n" in text.strip():
        said = last_number(text) or letter(text)
    if said is None and numbers.number(plain(text)) is None and len(text.split()) > 1:
        said = last_number(text)
    return plain(text if said is None else said).strip("*` ")


verifiers.register("answer")(FinalAnswer)
