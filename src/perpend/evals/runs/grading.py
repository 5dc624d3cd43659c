"""Grade answers by each problem's own verifier. Requests carry no gold, so no model sees it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal

import msgspec
from msgspec import Struct

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.evals.runs.samples import Attempt, Sample
from perpend.solve.auxiliary_call import AuxiliaryCalls
from perpend.types import Answer, Candidate, ToolUse, Verdict, VerifierSpec
from perpend.verifiers import GOLD, AuxiliaryModel, Task, Verifier

JudgeFactory = Callable[[], AbstractAsyncContextManager[AuxiliaryCalls]]


class Graded(Struct, frozen=True):
    verdict: Verdict
    cost_usd: Decimal | None = Decimal(0)
    """US dollars of the judge model; None where they aren't known."""


async def grade(
    verifier: Callable[[VerifierSpec], Verifier],
    problem: Problem,
    candidate: Candidate,
    model: AuxiliaryModel | None = None,
) -> Verdict:
    """Grade one candidate. A gold that can't be read gives a failed verdict with the reason, and doesn't end the run.

    Raises BadRequest where the problem has no verifier, VerifierFailed where it can't run.
    """
    if problem.verifier is None:
        raise BadRequest(f"{problem.id} can't be graded here: its suite has no verifier", field="SUITE")
    question = "\n\n".join(message.text for message in problem.messages)
    task = Task(question=question, gold=problem.gold, model=model)
    try:
        return await verifier(problem.verifier).verify(task, candidate)
    except BadRequest as error:
        if error.field != GOLD:
            raise
        return Verdict(0.0, False, f"{problem.id}: {error.message}")


class Grader:
    """Grades answers; opens a judge for each answer whose verifier asks a model, so that each has its own cost."""

    def __init__(
        self, verifier: Callable[[VerifierSpec], Verifier], open_judge: JudgeFactory | None = None
    ) -> None:
        """`open_judge`: None where no verifier asks a model."""
        self._verifier = verifier
        self._open_judge = open_judge
        self._by_options: dict[bytes, Verifier] = {}
        """Verifiers with options, by name and options: each is made once."""

    async def __call__(self, problem: Problem, answer: Answer) -> Graded:
        """Grade an answer. Raises as `grade` does."""
        candidate = Candidate(answer=checked_text(answer), thinking=answer.thinking)
        needs_judge = problem.verifier is not None and self._verifier_for(problem.verifier).needs_model
        if self._open_judge is None or not needs_judge:
            return Graded(await grade(self._verifier_for, problem, candidate))
        async with self._open_judge() as model:
            verdict = await grade(self._verifier_for, problem, candidate, model)
            return Graded(verdict, model.outcome.scope.cost_usd)

    def _verifier_for(self, spec: VerifierSpec) -> Verifier:
        if not spec.options:
            return self._verifier(spec)
        key = msgspec.json.encode((spec.name, spec.options))
        if key not in self._by_options:
            self._by_options[key] = self._verifier(spec)
        return self._by_options[key]

    async def aclose(self) -> None:
        for verifier in self._by_options.values():
            await verifier.aclose()


def checked_text(answer: Answer) -> str:
    """The text that a verifier checks: the answer's text, or its tool calls as JSON."""
    calls = [
        {"name": part.name, "arguments": msgspec.Raw(part.arguments.encode())}
        for part in answer.content
        if isinstance(part, ToolUse)
    ]
    return msgspec.json.encode(calls).decode() if calls else answer.text


def sample_of(problem: str, number: int, answer: Answer, graded: Graded) -> Sample:
    """The sample of a graded answer."""
    attempts = tuple(
        Attempt(
            answer=candidate.answer,
            thinking=candidate.thinking,
            usage=candidate.usage,
            stop_reason=candidate.stop_reason,
            score=candidate.score,
        )
        for candidate in answer.candidates
    )
    return Sample(
        problem=problem,
        number=number,
        answer=checked_text(answer),
        thinking=answer.thinking,
        verdict=graded.verdict,
        grading_usd=graded.cost_usd,
        usage=answer.usage,
        cost_usd=answer.cost_usd,
        seconds=answer.elapsed_s,
        truncated=answer.truncated,
        stop_reason=answer.stop_reason,
        model_version=answer.model_version,
        candidates=attempts if len(attempts) > 1 else (),
    )
