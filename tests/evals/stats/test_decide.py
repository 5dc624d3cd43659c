"""The cheapest setting is recommended that isn't surely worse than the best one."""

from pathlib import Path

from eval_runs import a_run

from perpend.evals.reports.report import read
from perpend.evals.stats.decide import choose


def settings(tmp_path: Path, **right: set[int]) -> list[Path]:
    return [a_run(tmp_path / name, of, 16 * 4**index) for index, (name, of) in enumerate(right.items())]


def test_what_is_surely_better_is_worth_its_tokens(tmp_path: Path) -> None:
    runs = [
        read(p, p.name) for p in settings(tmp_path, none=set[int](), medium=set(range(8)), high=set(range(8)))
    ]
    choice = choose(runs, [(runs[0], runs[-1])])
    assert (choice.best, choice.recommended) == ("medium", "medium")
    assert choice.against_best is None


def test_what_cant_be_told_from_the_best_is_chosen_where_it_is_cheaper(tmp_path: Path) -> None:
    runs = [read(p, p.name) for p in settings(tmp_path, none={0, 1, 2, 3, 4, 5, 6}, high=set(range(8)))]
    choice = choose(runs, [(runs[0], runs[-1])])
    assert (choice.best, choice.recommended) == ("high", "none")
    assert "can't tell" in choice.reason


def test_what_is_always_wrong_cant_be_told_apart(tmp_path: Path) -> None:
    runs = [read(p, p.name) for p in settings(tmp_path, none=set[int](), high=set[int]())]
    choice = choose(runs, [(runs[0], runs[-1])])
    assert (choice.recommended, choice.reason) == (None, "can't tell: none of them got anything right")


def test_questions_that_thinking_hurt_are_named(tmp_path: Path) -> None:
    runs = [read(p, p.name) for p in settings(tmp_path, none={0, 1}, high={1, 2, 3})]
    assert [one.problem.id for one in choose(runs, [(runs[0], runs[-1])]).hurt] == ["p0"]
