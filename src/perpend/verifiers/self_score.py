"""How likely the model that wrote an answer thinks it right: P(True) of Kadavath et al. 2022, arXiv:2207.05221."""

from typing import Annotated

from msgspec import Meta

from perpend.types import Candidate, Message, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.quoting import SYSTEM, quoted


class SelfScore(Verifier):
    """One token of one call. Models are surer of themselves than they should be: calibrate `threshold` on labels."""

    rates_thoughts = True
    needs_model = True

    def __init__(self, *, threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5) -> None:
        self._threshold = threshold

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        shown, asked = (
            ("answer", "Is the answer right?") if candidate.answer else ("reasoning", "Is it right so far?")
        )
        text = quoted(shown, candidate.answer or candidate.thinking)
        prompt = f"{quoted('problem', task.question)}\n\n{text}\n\n{asked} Reply with Yes or No."
        probabilities = await task.judge.probabilities([SYSTEM, Message("user", prompt)], ("Yes", "No"))
        score = probabilities["Yes"]
        if score >= self._threshold:
            return Verdict(score, True)
        return Verdict(score, False, "the answer is probably wrong: check it")


verifiers.register("self_score")(SelfScore)
