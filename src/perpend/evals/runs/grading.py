"""Grading answers after they came, by each problem's own verifier: the model never had the gold."""

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

Judging = Callable[[], AbstractAsyncContextManager[AuxiliaryCalls]]


class Graded(Struct, frozen=True):
    verdict: Verdict
    cost_usd: Decimal | None = Decimal(0)
    """Of a model that judged."""


async def grade(
    verifier: Callable[[VerifierSpec], Verifier],
    problem: Problem,
    candidate: Candidate,
    model: AuxiliaryModel | None = None,
) -> Verdict:
    """A problem whose gold can't be read is failed, and says why: the others go on. Raises BadRequest where it's graded
    elsewhere.
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
    """Lends each verifier that asks a model one of its own, so that its cost is known answer by answer."""

    def __init__(self, verifier: Callable[[VerifierSpec], Verifier], judging: Judging | None = None) -> None:
        """`judging` None: nobody's verifier asks a model."""
        self._verifier = verifier
        self._judging = judging
        self._own: dict[bytes, Verifier] = {}
        """Those with options, each made once."""

    async def __call__(self, problem: Problem, answer: Answer) -> Graded:
        candidate = Candidate(answer=checked_text(answer), thinking=answer.thinking)
        asks = problem.verifier is not None and self._shared(problem.verifier).needs_model
        if self._judging is None or not asks:
            return Graded(await grade(self._shared, problem, candidate))
        async with self._judging() as model:
            verdict = await grade(self._shared, problem, candidate, model)
            return Graded(verdict, model.outcome.scope.cost_usd)

    def _shared(self, spec: VerifierSpec) -> Verifier:
        if not spec.options:
            return self._verifier(spec)
        key = msgspec.json.encode((spec.name, spec.options))
        if key not in self._own:
            self._own[key] = self._verifier(spec)
        return self._own[key]

    async def aclose(self) -> None:
        for verifier in self._own.values():
            await verifier.aclose()


def checked_text(answer: Answer) -> str:
    """What is checked: the answer's text, or its calls of tools as JSON."""
    calls = [
        {"name": part.name, "arguments": msgspec.Raw(part.arguments.encode())}
        for part in answer.content
        if isinstance(part, ToolUse)
    ]
    return msgspec.json.encode(calls).decode() if calls else answer.text


def sample_of(problem: str, number: int, answer: Answer, graded: Graded) -> Sample:
    """The line of a run that a graded answer makes."""
    attempts = tuple(
        Attempt(answer=c.answer, thinking=c.thinking, usage=c.usage, stop_reason=c.stop_reason, score=c.score)
        for c in answer.candidates
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
