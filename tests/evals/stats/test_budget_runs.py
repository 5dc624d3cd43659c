"""Runs at several budgets become a curve on the problems that all of them answered; others are refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.evals.reports.report import Reported, read_all
from perpend.evals.runs.folder import Header, RunFolder
from perpend.evals.runs.samples import RunSettings, Sample
from perpend.evals.stats.budget_runs import curve_from
from perpend.types import Message, Usage, Verdict, VerifierSpec

PROBLEMS = [
    Problem(id=f"p{n}", messages=(Message("user", f"{n}?"),), verifier=VerifierSpec("exact", str(n)))
    for n in range(10)
]


def a_run(
    path: Path,
    budget: int | None,
    right: int,
    *,
    used: Sequence[int] = (),
    failed: Sequence[int] = (),
    answered: int = len(PROBLEMS),
    **settings: Any,
) -> Path:
    """The first `right` of ten problems are; thoughts are as long as `used` says, or as the budget."""
    alike = RunSettings(
        suite="mine.jsonl",
        problems=tuple(one.id for one in PROBLEMS),
        fingerprint="f",
        target="local",
        model="m",
        max_thinking_tokens=budget,
    )
    own = replace(alike, **settings)
    header = Header(settings=own, started=f"2026-11-2{own.seed}T00:00:00+00:00", versions={}, machine={})
    with RunFolder.open(path, header, PROBLEMS) as folder:
        for n, problem in enumerate(PROBLEMS[:answered]):
            thought = used[n] if used else budget or 0
            sample = Sample(
                problem=problem.id,
                number=0,
                verdict=Verdict(float(n < right), n < right),
                usage=Usage(5, 0, thought, 7),
                model_version="m-2026",
            )
            folder.add(
                Sample(problem=problem.id, number=0, error="upstream_error") if n in failed else sample
            )
    return path


def runs(*folders: Path) -> list[Reported]:
    return read_all(folders)


def test_a_point_for_each_budget_from_little_to_much(tmp_path: Path) -> None:
    lengths = (5, 10, 15, 20, 25, 30, 35, 40, 45, 64)
    found = curve_from(
        runs(
            a_run(tmp_path / "much", 64, 9, used=lengths),
            a_run(tmp_path / "off", None, 2, effort="none"),
            a_run(tmp_path / "little", 16, 5),
        ),
        "m",
    )
    curve = found.curve
    assert [point.budget for point in curve.points] == [0, 16, 64]
    assert [point.accuracy.estimate for point in curve.points] == [0.2, 0.5, 0.9]
    assert [point.thinking_tokens for point in curve.points] == [0, 16, 28.9]
    assert {point.answer_tokens for point in curve.points} == {7}
    assert (curve.natural_p50, curve.natural_p90, found.cut) == (25, 45, 0.1)
    assert curve.source.runs == ("much", "off", "little")
    assert curve.source.model_versions == ("m-2026",)
    assert found.left_out == 0


def test_the_natural_length_is_unknown_where_thoughts_were_cut(tmp_path: Path) -> None:
    off, cut = a_run(tmp_path / "off", 0, 2), (1, 2, 3, 4, 5, 6, 64, 64, 64, 64)
    some = curve_from(runs(off, a_run(tmp_path / "some", 64, 9, used=cut)), "m").curve
    assert (some.natural_p50, some.natural_p90) == (5, None)
    every = curve_from(runs(off, a_run(tmp_path / "all", 64, 9)), "m").curve
    assert (every.natural_p50, every.natural_p90) == (None, None)


def test_seeds_of_a_budget_are_pooled(tmp_path: Path) -> None:
    found = curve_from(
        runs(
            a_run(tmp_path / "a", 0, 2),
            a_run(tmp_path / "b", 64, 9),
            a_run(tmp_path / "c", 64, 7, seed=1),
        ),
        "m",
    ).curve
    off, much = found.points
    assert (off.samples, much.samples) == (1, 2)
    assert much.right == (2, 2, 2, 2, 2, 2, 2, 1, 1, 0)
    assert found.source.seeds == (0, 1)
    assert found.source.measured.startswith("2026-11-21")


def test_a_problem_without_an_answer_at_some_budget_counts_at_none(tmp_path: Path) -> None:
    found = curve_from(
        runs(a_run(tmp_path / "off", 0, 5, failed=[0, 9]), a_run(tmp_path / "much", 64, 9)), "m"
    )
    assert found.left_out == 2
    assert found.curve.problems == 8
    assert [sum(point.right) for point in found.curve.points] == [4, 8]


def test_runs_that_differ_in_more_than_budget_and_seed_are_refused(tmp_path: Path) -> None:
    off = a_run(tmp_path / "off", 0, 5)

    def refused(other: Path, said: str) -> None:
        with pytest.raises(BadRequest, match=said):
            curve_from(runs(off, other), "m")

    refused(a_run(tmp_path / "other", 64, 9, model="n"), "off and other differ in model")
    refused(a_run(tmp_path / "voted", 64, 9, strategy="self_consistency"), "voted has the strategy")
    refused(a_run(tmp_path / "begun", 64, 9, answered=6), "begun isn't finished: 6 of 10")
    refused(a_run(tmp_path / "again", 0, 9), "again has the budget and the seed of another")
    refused(a_run(tmp_path / "seeded", 0, 9, seed=1), "one budget between them")
    refused(a_run(tmp_path / "high", None, 9, effort="high"), "high doesn't say how many tokens")
    refused(a_run(tmp_path / "failed", 64, 9, failed=range(10)), "no problem was answered at every budget")
