"""Test a suite before trusting it: its own golds must pass its verifiers, and other problems' golds must not."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import NamedTuple

import msgspec
from msgspec import Struct

from perpend.evals.problems import Problem
from perpend.statistics import detectable
from perpend.types import Candidate, VerifierSpec
from perpend.verifiers import Task, Verifier, make_verifier
from perpend.verifiers.countdown import Goal
from perpend.verifiers.gym import GymProblem
from perpend.verifiers.gym import problem as drawn_problem

_LOPSIDED = 0.5
_FEW = 100
_NONSENSE = "I can't say."


class TrialFinding(Struct, frozen=True):
    """A possible fault of a suite."""

    serious: bool
    """Whether it makes the suite's figures wrong."""
    what: str
    problems: tuple[str, ...] = ()


class Trial(Struct, frozen=True):
    tried: int
    """Number of problems whose gold was checked by its verifier."""
    findings: tuple[TrialFinding, ...]

    @property
    def sound(self) -> bool:
        return not any(finding.serious for finding in self.findings)


class _KnownAnswer(NamedTuple):
    """A problem with a right answer, in the form in which a model gives it."""

    id: str
    spec: VerifierSpec
    right: str


async def trial(problems: Sequence[Problem]) -> Trial:
    """Test a suite's verifiers, then its labels. Raises PerpendError where a verifier can't run at all."""
    known_answers = [
        _KnownAnswer(problem.id, problem.verifier, right)
        for problem in problems
        if problem.verifier and (right := _right(problem, problem.verifier)) is not None
    ]
    refused, passed = await _misjudged(known_answers)
    findings = [
        TrialFinding(True, "its own gold doesn't pass", tuple(refused)) if refused else None,
        TrialFinding(True, "a wrong answer passes", tuple(passed)) if passed else None,
        *_labels(problems),
    ]
    return Trial(len(known_answers), tuple(finding for finding in findings if finding is not None))


async def _misjudged(known_answers: Sequence[_KnownAnswer]) -> tuple[list[str], list[str]]:
    """The ids of problems whose gold is refused, and of those for which a wrong answer passes."""
    kinds: dict[str, list[_KnownAnswer]] = defaultdict(list)
    for answer in known_answers:
        kinds[answer.spec.name].append(answer)
    refused: list[str] = []
    passed: list[str] = []
    for group in kinds.values():
        verifier = make_verifier(group[0].spec)
        try:
            for index, answer in enumerate(group):
                if not await _accepts(verifier, answer.spec, answer.right):
                    refused.append(answer.id)
                for wrong in (_NONSENSE, "", group[index - 1].right, *_half(answer.spec)):
                    if not await _equal(verifier, wrong, answer.right) and await _accepts(
                        verifier, answer.spec, wrong
                    ):
                        passed.append(answer.id)
                        break
        finally:
            await verifier.aclose()
    return refused, passed


async def _equal(verifier: Verifier, answer: str, other: str) -> bool:
    """Whether two answers are the same: neighbouring problems may share one."""
    return answer == other or await verifier.same(answer, other)


async def _accepts(verifier: Verifier, spec: VerifierSpec, answer: str) -> bool:
    return (await verifier.verify(Task(gold=spec.gold), Candidate(answer=answer))).passed


def _right(problem: Problem, spec: VerifierSpec) -> str | None:
    answer = right_answer(spec)
    return problem.solution if answer is None else answer


def right_answer(spec: VerifierSpec) -> str | None:
    """A right answer made from the gold, in the form in which a model gives it; None where the gold is a program's
    tests.
    """
    gold = spec.gold or ""
    if spec.name == "code":
        return None
    if spec.name == "math":
        return f"So it is \\boxed{{{gold}}}."
    if spec.name == "choice":
        return f"The answer is {gold}"
    if spec.name == "countdown":
        return _solution(msgspec.json.decode(gold, type=Goal))
    if spec.name == "reasoning_gym":
        return str(drawn_problem(msgspec.json.decode(gold, type=GymProblem))[1]["answer"])
    return gold


def _half(spec: VerifierSpec) -> tuple[str, ...]:
    """The first of a list of answers, which must not pass alone."""
    first, comma, _ = (spec.gold or "").partition(",")
    half = right_answer(VerifierSpec("math", first.strip("$ ")))
    return (half,) if half and comma and spec.name == "math" else ()


def _solution(goal: Goal) -> str:
    """Any expression that reaches the goal, found by trying all."""
    for numbers in permutations(goal.numbers):
        for value, text in _expressions([(Fraction(number), str(number)) for number in numbers]):
            if value == goal.target:
                return text
    return ""


def _expressions(terms: list[tuple[Fraction, str]]) -> list[tuple[Fraction, str]]:
    """All values and expressions of the terms in this order, by the position of the last operation."""
    if len(terms) == 1:
        return terms
    expressions: list[tuple[Fraction, str]] = []
    for split in range(1, len(terms)):
        for left, before in _expressions(terms[:split]):
            for right, after in _expressions(terms[split:]):
                expressions += [
                    (left + right, f"({before} + {after})"),
                    (left - right, f"({before} - {after})"),
                ]
                expressions.append((left * right, f"({before} * {after})"))
                if right:
                    expressions.append((left / right, f"({before} / {after})"))
    return expressions


def _labels(problems: Sequence[Problem]) -> list[TrialFinding]:
    """Check for common faults of labelling."""
    findings: list[TrialFinding] = []
    by_question: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        by_question[" ".join(problem.messages[-1].text.split()).casefold()].append(problem)
    repeated = [group for group in by_question.values() if len(group) > 1]
    at_odds = [p.id for group in repeated if len({p.gold for p in group}) > 1 for p in group]
    if at_odds:
        findings.append(TrialFinding(True, "the same question has different golds", tuple(at_odds)))
    if duplicates := [p.id for group in repeated for p in group if p.id not in at_odds]:
        findings.append(TrialFinding(False, "the same question is there twice", tuple(duplicates)))
    ids = Counter(problem.id for problem in problems)
    if shared_ids := [id_ for id_, count in ids.items() if count > 1]:
        findings.append(TrialFinding(True, "an id is used twice", tuple(shared_ids)))
    if leaked := [problem.id for problem in problems if _gold_in_question(problem)]:
        findings.append(TrialFinding(False, "the question contains its gold", tuple(leaked)))
    gold, count = Counter(problem.gold for problem in problems).most_common(1)[0]
    if len(problems) >= 20 and count > _LOPSIDED * len(problems):
        findings.append(
            TrialFinding(False, f"{count} of {len(problems)} golds are {gold!r}: guessing it looks good")
        )
    if len(problems) < _FEW:
        least = detectable(0.5, len(problems))
        size = f"{len(problems)} questions show a difference only from about {least:.2f} on: 100 to 500 are better"
        findings.append(TrialFinding(False, size))
    return findings


def _gold_in_question(problem: Problem) -> bool:
    """Whether the question contains its gold; only golds of 8 characters and more count, since short ones occur by
    chance.
    """
    if problem.verifier is None or problem.verifier.name not in ("answer", "exact", "math"):
        return False
    gold = (problem.gold or "").strip()
    return len(gold) >= 8 and gold.casefold() in problem.messages[-1].text.casefold()
