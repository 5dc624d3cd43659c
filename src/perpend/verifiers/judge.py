"""A model grades an answer by a rubric, or compares two. Its tokens are charged to the request."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from perpend.types import Candidate, Message, Verdict
from perpend.verifiers.contract import AuxiliaryModel, Task, Verifier, verifiers
from perpend.verifiers.quoting import SYSTEM, quoted

_RUBRIC = "The answer is correct, answers what was asked, and leaves out nothing that matters."
_GRADES = ("1", "2", "3", "4", "5")


class Judge(Verifier):
    """The score is the expected grade from 1 to 5, by the model's probabilities (Liu et al. 2023, "G-Eval",
    arXiv:2303.16634), scaled to 0 to 1. It takes one token where the server gives logprobs.
    """

    needs_model = True

    def __init__(
        self,
        *,
        rubric: str = _RUBRIC,
        model: str = "",
        threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5,
        reason_tokens: Annotated[int, Meta(ge=0, le=4096)] = 0,
    ) -> None:
        """`model`: the judge, by default the model that answered. `threshold`: the least passing score.
        `reason_tokens`: the most tokens of a critique before the grade, which becomes the feedback; 0: no critique.
        """
        self._rubric = rubric
        self.judge_model = model
        self._threshold = threshold
        self._reason_tokens = reason_tokens

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        judge = self._judge(task)
        shown = f"{self._material(task)}\n\n{quoted('answer', candidate.answer)}"
        reason = ""
        if self._reason_tokens:
            request = (
                "In two or three sentences: how does the answer meet the criteria, and what is wrong with it?"
            )
            critique = await judge.ask(_prompt(f"{shown}\n\n{request}"), max_tokens=self._reason_tokens)
            reason = critique.strip()
            shown = f"{shown}\n\n{quoted('critique', reason)}"
        request = "How well does the answer meet the criteria? Reply with one digit, from 1 (not at all) to 5 (fully)."
        score = _mean(await judge.probabilities(_prompt(f"{shown}\n\n{request}"), _GRADES))
        if score >= self._threshold:
            return Verdict(score, True)
        if reason and task.gold is None:  # a critique written with the gold in view may reveal it
            return Verdict(score, False, reason)
        return Verdict(score, False, f"graded {1 + 4 * score:.1f} of 5 by: {self._rubric}")

    async def compare(self, task: Task, first: Candidate, second: Candidate) -> float:
        """The mean over both orders, against position bias (Zheng et al. 2023, arXiv:2306.05685)."""
        judge = self._judge(task)
        first_better = await self._first_better(judge, task, first, second)
        return (first_better + 1 - await self._first_better(judge, task, second, first)) / 2

    async def _first_better(
        self, judge: AuxiliaryModel, task: Task, first: Candidate, second: Candidate
    ) -> float:
        both = "\n\n".join((quoted("answer-A", first.answer), quoted("answer-B", second.answer)))
        request = "Which answer meets the criteria better? Reply with A or B."
        probabilities = await judge.probabilities(
            _prompt(f"{self._material(task)}\n\n{both}\n\n{request}"), ("A", "B")
        )
        return probabilities["A"]

    def _judge(self, task: Task) -> AuxiliaryModel:
        return task.required_model.on(self.judge_model) if self.judge_model else task.required_model

    def _material(self, task: Task) -> str:
        """The criteria, the task, and the gold where there is one."""
        known = "" if task.gold is None else f"\n\n{quoted('right-answer', task.gold)}"
        return f"Criteria: {self._rubric}\n\n{quoted('task', task.question)}{known}"


def _prompt(text: str) -> list[Message]:
    return [SYSTEM, Message("user", text)]


def _mean(probabilities: Mapping[str, float]) -> float:
    return sum(share * (int(grade) - 1) for grade, share in probabilities.items()) / (len(_GRADES) - 1)


verifiers.register("judge")(Judge)
