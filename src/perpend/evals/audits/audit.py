"""Audit a run: perturb its traces, and let the model answer from each as if it were its own thought.

The audit is in the run's folder: `audit.json` has its settings, `audit.jsonl` a line for each answer, and
`rewards.jsonl` one for each trace whose steps were scored. An audit that was stopped continues with what is missing.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec
from msgspec import Struct

from perpend.errors import (
    BadRequest,
    PerpendError,
    StorageError,
)
from perpend.evals.audits.perturb import CONTROL, PERTURBATIONS, Perturbed, Trace, TraceContext
from perpend.evals.audits.probes import Probe, Rewards
from perpend.evals.problems import Problem
from perpend.evals.runs.folder import read_header, read_problems, read_samples
from perpend.evals.runs.grading import grade
from perpend.evals.runs.lines import LineFile
from perpend.evals.runs.samples import RunSettings, Sample
from perpend.evals.runs.workers import FATAL_FAILURES, run_workers
from perpend.types import Answer, Candidate, Limits, Request, Sampling, StrategySpec, VerifierSpec
from perpend.verifiers import Verifier
from perpend.verifiers.answer_extraction import extract_answer, same_answer
from perpend.verifiers.math_text import announced, boxed
from perpend.verifiers.steps import steps

Solve = Callable[[Request], Awaitable[Answer]]
Verifiers = Callable[[VerifierSpec], Verifier]
Score = Callable[[str, Sequence[str]], Awaitable[list[float]]]
"""A reward for each step of a question's solution."""

_MOST_STEPS = 32


class AuditSettings(Struct, frozen=True, kw_only=True):
    seed: int = 0
    """Draws what is planted."""
    answer_tokens: int = 32
    """The most tokens of each answer: enough for an answer, too few for new thinking."""


class Audited:
    """A run's folder with its audit, open for appending."""

    def __init__(self, path: Path, settings: AuditSettings) -> None:
        """Raises BadRequest where it's no run's folder, or holds an audit with other settings; StorageError."""
        self.settings = _save_settings(path / "audit.json", settings)
        self.run: RunSettings = read_header(path).settings
        self.problems: Mapping[str, Problem] = read_problems(path)
        first = {sample.problem: sample for sample in read_samples(path) if not sample.number}
        self.samples = {
            name: first[name] for name in self.problems if name in first and first[name].thinking.strip()
        }
        """The first sample of each problem, where it has thinking, in the suite's order."""
        if not self.samples:
            raise BadRequest(f"{path} holds no traces", hint="ask with a thinking budget", field="--run")
        with ExitStack() as opened:
            self.probes = opened.enter_context(LineFile(path / "audit.jsonl", Probe))
            self.rewards = opened.enter_context(LineFile(path / "rewards.jsonl", Rewards))
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def done(self, *, rewards: bool) -> bool:
        """Whether all probes, and all rewards where they are wanted, are there."""
        asked = len(self.probes.rows) == len(self.samples) * len(PERTURBATIONS)
        return asked and (not rewards or len(self.rewards.rows) == len(self.samples))

    def trace(self, sample: Sample) -> Trace:
        """The sample's trace. It ended if it used less than its budget; without a budget, if it has a conclusion."""
        limit = self.run.max_thinking_tokens
        concluded = bool(boxed(sample.thinking)) or announced(sample.thinking) is not None
        return Trace(sample.thinking, concluded if limit is None else sample.usage.thinking < limit)

    def context(self, sample: Sample) -> TraceContext:
        """What perturbations may use. The other trace is the next one whose conclusion differs from this trace's, its
        answer and the gold.
        """
        problem, trace = self.problems[sample.problem], self.trace(sample)
        gold, answer = problem.gold or "", extract_answer(sample.answer)
        known = (gold, answer, trace.conclusion or answer)
        ids = list(self.samples)
        index = ids.index(sample.problem)
        others = (self.trace(self.samples[name]) for name in ids[index + 1 :] + ids[:index])
        return TraceContext(
            trace=trace,
            question=problem.messages[-1].text,
            gold=gold,
            answer=answer,
            other=next((other for other in others if _differs(other.conclusion, known)), None),
            seed=f"{self.settings.seed} {sample.problem}",
        )


def _differs(conclusion: str | None, known: Sequence[str]) -> bool:
    return conclusion is not None and not any(same_answer(conclusion, answer) for answer in known)


def _save_settings(path: Path, settings: AuditSettings) -> AuditSettings:
    try:
        if not path.exists():
            read_header(path.parent)
            part = path.with_suffix(".part")
            part.write_bytes(msgspec.json.encode(settings))
            part.replace(path)
        known = msgspec.json.decode(path.read_bytes(), type=AuditSettings)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}", hint="name another folder") from error
    if known != settings:
        raise BadRequest(
            f"{path.parent} holds an audit with other settings: {known}",
            hint="give the same settings to go on with it",
            field="--seed",
        )
    return settings


class Auditor:
    """Completes an audit. A probe's failure is a line with an error; one that all probes would meet stops the audit."""

    def __init__(
        self,
        audited: Audited,
        solve: Solve,
        verifiers: Verifiers,
        *,
        at_once: int,
        score: Score | None = None,
    ) -> None:
        """`at_once`: problems at a time; `score`: rewards a trace's steps; None where no rewards are wanted."""
        self._audited = audited
        self._solve = solve
        self._verifiers = verifiers
        self._at_once = at_once
        self._score = score

    async def finish(self, listener: Callable[[int, int], None]) -> None:
        """Ask the missing probes. `listener` gets the number of problems done, and of all.

        Raises PerpendError that every probe would meet, StorageError.
        """
        samples = list(self._audited.samples.values())
        todo, done = iter(samples), 0

        async def work() -> None:
            nonlocal done
            for sample in todo:
                await self._problem(sample)
                done += 1
                listener(done, len(samples))

        await run_workers(self._at_once, work)

    async def _problem(self, sample: Sample) -> None:
        """Ask a problem's probes in sequence: each prompt shares a prefix with the one before, which caches reuse."""
        rows = self._audited.probes.rows
        known = {row.perturbation: row for row in rows if row.problem == sample.problem}
        context = self._audited.context(sample)
        for name, perturb in PERTURBATIONS.items():
            if name not in known:
                perturbed = perturb(context)
                probe = (
                    Probe(problem=sample.problem, perturbation=name, error="none_there")
                    if perturbed is None
                    else await self._probe(sample, name, perturbed, known.get(CONTROL))
                )
                self._audited.probes.add(probe)
                known[name] = probe
        if self._score is not None and all(
            row.problem != sample.problem for row in self._audited.rewards.rows
        ):
            rewards = await self._score(context.question, steps(sample.thinking, _MOST_STEPS))
            right = known[CONTROL].right
            self._audited.rewards.add(Rewards(problem=sample.problem, right=right, steps=tuple(rewards)))

    async def _probe(self, sample: Sample, name: str, perturbed: Perturbed, control: Probe | None) -> Probe:
        problem = self._audited.problems[sample.problem]
        try:
            answer = await self._solve(self._request(sample, perturbed))
        except FATAL_FAILURES:
            raise
        except PerpendError as error:
            return Probe(problem=problem.id, perturbation=name, thought=perturbed.thought, error=error.code)
        same = self._answers_equal(problem)
        conclusion = self._audited.trace(sample).conclusion
        verdict = await grade(
            self._verifiers, problem, Candidate(answer=answer.text, thinking=answer.thinking)
        )
        return Probe(
            problem=problem.id,
            perturbation=name,
            thought=perturbed.thought,
            planted=perturbed.planted,
            answer=answer.text,
            changed=control is not None and not await same(control.answer, answer.text),
            follows=None if perturbed.planted is None else await same(perturbed.planted, answer.text),
            concludes=await same(conclusion, answer.text)
            if name == CONTROL and conclusion is not None
            else None,
            right=verdict.passed,
            unsettled=answer.stop_reason == "answer_tokens",
            usage=answer.usage,
            cost_usd=answer.cost_usd,
            seconds=answer.elapsed_s,
        )

    def _request(self, sample: Sample, perturbed: Perturbed) -> Request:
        """At temperature 0, so that differences come from the trace."""
        thinking = (
            (self._audited.run.max_thinking_tokens or sample.usage.thinking) if perturbed.thinks_on else 0
        )
        return Request(
            messages=self._audited.problems[sample.problem].messages,
            model=self._audited.run.model,
            limits=Limits(
                max_thinking_tokens=thinking,
                max_output_tokens=thinking + self._audited.settings.answer_tokens,
            ),
            sampling=Sampling(temperature=0.0, seed=self._audited.settings.seed),
            strategy=StrategySpec("from_thought", {"thought": perturbed.thought}),
        )

    def _answers_equal(self, problem: Problem) -> Callable[[str, str], Awaitable[bool]]:
        async def same(first: str, second: str) -> bool:
            if not second.strip():
                return False
            if same_answer(first, second):
                return True
            if problem.verifier is None:
                return False
            return await self._verifiers(problem.verifier).same(extract_answer(first), second)

        return same
