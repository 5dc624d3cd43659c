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
    """Something to look at."""

    serious: bool
    """Figures of this suite would be wrong."""
    what: str
    problems: tuple[str, ...] = ()


class Trial(Struct, frozen=True):
    tried: int
    """Problems whose gold was put to its verifier."""
    findings: tuple[TrialFinding, ...]

    @property
    def sound(self) -> bool:
        return not any(finding.serious for finding in self.findings)


class _Known(NamedTuple):
    """A problem with a right answer, as a model would give it."""

    id: str
    spec: VerifierSpec
    right: str


async def trial(problems: Sequence[Problem]) -> Trial:
    """Verifiers first, then labels. Raises PerpendError where a verifier can't run at all."""
    known = [
        _Known(problem.id, problem.verifier, right)
        for problem in problems
        if problem.verifier and (right := _right(problem, problem.verifier)) is not None
    ]
    refused, passed = await _verified(known)
    findings = [
        TrialFinding(True, "its own gold doesn't pass", tuple(refused)) if refused else None,
        TrialFinding(True, "a wrong answer passes", tuple(passed)) if passed else None,
        *_labels(problems),
    ]
    return Trial(len(known), tuple(finding for finding in findings if finding is not None))


async def _verified(known: Sequence[_Known]) -> tuple[list[str], list[str]]:
    """Ids whose gold is refused, and ids at which something wrong passes."""
    kinds: dict[str, list[_Known]] = defaultdict(list)
    for one in known:
        kinds[one.spec.name].append(one)
    refused: list[str] = []
    passed: list[str] = []
    for of in kinds.values():
        verifier = make_verifier(of[0].spec)
        try:
            for index, one in enumerate(of):
                if not await _passes(verifier, one.spec, one.right):
                    refused.append(one.id)
                for wrong in (_NONSENSE, "", of[index - 1].right, *_half(one.spec)):
                    if not await _equal(verifier, wrong, one.right) and await _passes(
                        verifier, one.spec, wrong
                    ):
                        passed.append(one.id)
                        break
        finally:
            await verifier.aclose()
    return refused, passed


async def _equal(verifier: Verifier, one: str, other: str) -> bool:
    """Neighbours may share an answer."""
    return one == other or await verifier.same(one, other)


async def _passes(verifier: Verifier, spec: VerifierSpec, answer: str) -> bool:
    return (await verifier.verify(Task(gold=spec.gold), Candidate(answer=answer))).passed


def _right(problem: Problem, spec: VerifierSpec) -> str | None:
    answer = right_answer(spec)
    return problem.solution if answer is None else answer


def right_answer(spec: VerifierSpec) -> str | None:
    """An answer as a model would end with it, from the gold; None where that is tests of a program."""
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
    """Of a list of answers, the first alone."""
    first, comma, _ = (spec.gold or "").partition(",")
    half = right_answer(VerifierSpec("math", first.strip("$ ")))
    return (half,) if half and comma and spec.name == "math" else ()


def _solution(goal: Goal) -> str:
    """Any expression that reaches the goal, found by trying all."""
    for numbers in permutations(goal.numbers):
        for value, text in _made([(Fraction(number), str(number)) for number in numbers]):
            if value == goal.target:
                return text
    return ""


def _made(terms: list[tuple[Fraction, str]]) -> list[tuple[Fraction, str]]:
    """All that the terms make in this order, by where they are split last."""
    if len(terms) == 1:
        return terms
    found: list[tuple[Fraction, str]] = []
    for split in range(1, len(terms)):
        for left, before in _made(terms[:split]):
            for right, after in _made(terms[split:]):
                found += [(left + right, f"({before} + {after})"), (left - right, f"({before} - {after})")]
                found.append((left * right, f"({before} * {after})"))
                if right:
                    found.append((left / right, f"({before} / {after})"))
    return found


def _labels(problems: Sequence[Problem]) -> list[TrialFinding]:
    """What people get wrong when they label."""
    findings: list[TrialFinding] = []
    asked: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        asked[" ".join(problem.messages[-1].text.split()).casefold()].append(problem)
    twice = [of for of in asked.values() if len(of) > 1]
    at_odds = [p.id for of in twice if len({p.gold for p in of}) > 1 for p in of]
    if at_odds:
        findings.append(TrialFinding(True, "the same question has different golds", tuple(at_odds)))
    if again := [p.id for of in twice for p in of if p.id not in at_odds]:
        findings.append(TrialFinding(False, "the same question is there twice", tuple(again)))
    ids = Counter(problem.id for problem in problems)
    if shared := [one for one, count in ids.items() if count > 1]:
        findings.append(TrialFinding(True, "an id is used twice", tuple(shared)))
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
    """Long golds only: a short number may well stand in a question by chance, and choices all do."""
    if problem.verifier is None or problem.verifier.name not in ("answer", "exact", "math"):
        return False
    gold = (problem.gold or "").strip()
    return len(gold) >= 8 and gold.casefold() in problem.messages[-1].text.casefold()
