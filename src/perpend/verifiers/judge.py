"""A model that grades answers by a rubric, one alone or two beside each other. Its tokens are the request's."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from perpend.types import Candidate, Message, Verdict
from perpend.verifiers.contract import AuxiliaryModel, Task, Verifier, verifiers
from perpend.verifiers.quoting import SYSTEM, quoted

_RUBRIC = "The answer is correct, answers what was asked, and leaves out nothing that matters."
_GRADES = ("1", "2", "3", "4", "5")


class Judge(Verifier):
    """The score is the mean of the grades 1 to 5, weighted by how likely the model gives each (Liu et al. 2023,
    "G-Eval", arXiv:2303.16634), scaled to 0 to 1. One token, where the server has logprobs.
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
        """`model`: who judges, default the one that answers. `reason_tokens`: so long may a critique be that is
        written before the grade, and told as feedback; 0: none is.
        """
        self._rubric = rubric
        self.asks = model
        self._threshold = threshold
        self._reason_tokens = reason_tokens

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        judge = self._asked(task)
        shown = f"{self._shown(task)}\n\n{quoted('answer', candidate.answer)}"
        reason = ""
        if self._reason_tokens:
            request = (
                "In two or three sentences: how does the answer meet the criteria, and what is wrong with it?"
            )
            said = await judge.ask(_prompt(f"{shown}\n\n{request}"), max_tokens=self._reason_tokens)
            reason = said.strip()
            shown = f"{shown}\n\n{quoted('critique', reason)}"
        request = "How well does the answer meet the criteria? Reply with one digit, from 1 (not at all) to 5 (fully)."
        score = _mean(await judge.probabilities(_prompt(f"{shown}\n\n{request}"), _GRADES))
        if score >= self._threshold:
            return Verdict(score, True)
        if reason and task.gold is None:  # a critique written beside the right answer may tell it
            return Verdict(score, False, reason)
        return Verdict(score, False, f"graded {1 + 4 * score:.1f} of 5 by: {self._rubric}")

    async def compare(self, task: Task, first: Candidate, second: Candidate) -> float:
        """Both orders are asked, and averaged: judges favour places (Zheng et al. 2023, arXiv:2306.05685)."""
        judge = self._asked(task)
        ahead = await self._ahead(judge, task, first, second)
        return (ahead + 1 - await self._ahead(judge, task, second, first)) / 2

    async def _ahead(self, judge: AuxiliaryModel, task: Task, first: Candidate, second: Candidate) -> float:
        both = "\n\n".join((quoted("answer-A", first.answer), quoted("answer-B", second.answer)))
        request = "Which answer meets the criteria better? Reply with A or B."
        probabilities = await judge.probabilities(
            _prompt(f"{self._shown(task)}\n\n{both}\n\n{request}"), ("A", "B")
        )
        return probabilities["A"]

    def _asked(self, task: Task) -> AuxiliaryModel:
        return task.judge.on(self.asks) if self.asks else task.judge

    def _shown(self, task: Task) -> str:
        """Criteria, the task, and the right answer where there is one."""
        known = "" if task.gold is None else f"\n\n{quoted('right-answer', task.gold)}"
        return f"Criteria: {self._rubric}\n\n{quoted('task', task.question)}{known}"


def _prompt(text: str) -> list[Message]:
    return [SYSTEM, Message("user", text)]


def _mean(probabilities: Mapping[str, float]) -> float:
    return sum(share * (int(grade) - 1) for grade, share in probabilities.items()) / (len(_GRADES) - 1)


verifiers.register("judge")(Judge)
