"""The probability that a model gives its own answer of being right: P(True) (Kadavath et al., arXiv:2207.05221)."""

from typing import Annotated

from msgspec import Meta

from perpend.types import Candidate, Message, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.quoting import SYSTEM, quoted


class SelfScore(Verifier):
    """Takes one token of one call. Models are overconfident: calibrate `threshold` on labelled answers."""

    rates_thoughts = True
    needs_model = True

    def __init__(self, *, threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5) -> None:
        self._threshold = threshold

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        tag, request = (
            ("answer", "Is the answer right?") if candidate.answer else ("reasoning", "Is it right so far?")
        )
        text = quoted(tag, candidate.answer or candidate.thinking)
        prompt = f"{quoted('problem', task.question)}\n\n{text}\n\n{request} Reply with Yes or No."
        probabilities = await task.required_model.probabilities(
            [SYSTEM, Message("user", prompt)], ("Yes", "No")
        )
        score = probabilities["Yes"]
        if score >= self._threshold:
            return Verdict(score, True)
        return Verdict(score, False, "the answer is probably wrong: check it")


verifiers.register("self_score")(SelfScore)
