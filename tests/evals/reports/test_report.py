"""Runs beside each other: paired differences, categories, the problems that differ; on a page that runs nothing."""

from pathlib import Path

import pytest
from eval_runs import EVIL, a_run

from perpend.errors import BadRequest
from perpend.evals.reports.report import facts, lines, markdown, report, table


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    return [a_run(tmp_path / "a", {0, 1}, 16), a_run(tmp_path / "b", {1, 2, 3, 4, 5, 6}, 64)]


def test_each_run_is_compared_with_the_first(two: list[Path]) -> None:
    found = report(two)
    assert [run.name for run in found.runs] == ["a", "b"]
    assert found.comparisons[0] is None
    assert found.comparisons[1] is not None
    assert (found.comparisons[1].better, found.comparisons[1].worse) == (5, 1)
    assert found.comparisons[1].difference.estimate == pytest.approx(0.5)


def test_categories_have_shares_of_their_own(two: list[Path]) -> None:
    even, odd = report(two).categories.values()
    assert [one.estimate for one in even if one] == [0.25, 0.75]
    assert [one.estimate for one in odd if one] == [0.25, 0.75]


def test_problems_that_differ_show_a_sample_of_each(two: list[Path]) -> None:
    differences = report(two).differences
    assert {one.problem.id for one in differences} == {"p0", "p2", "p3", "p4", "p5", "p6"}
    assert all(one.samples[0].correct != one.samples[1].correct for one in differences)


def test_wrong_answers_are_told_with_their_traces(two: list[Path]) -> None:
    found = report(two)
    assert [sample.problem for sample in found.runs[0].wrong] == ["p2", "p3", "p4", "p5", "p6", "p7"]
    text = markdown(found)
    assert text.count("## Wrong answers: ") == 2
    assert f"thought:\n\n    {EVIL}\n" in text
    assert [len(run["wrong"]) for run in facts(found)["runs"]] == [6, 2]


def test_as_text_table_and_object(two: list[Path]) -> None:
    found = report(two)
    assert markdown(found).splitlines()[2].startswith("| a | 8 | 0.250 |")
    assert len(table(found).splitlines()) == 3
    assert [run["name"] for run in facts(found)["runs"]] == ["a", "b"]
    assert len(list(lines(found))) == 2


def test_what_models_wrote_runs_nowhere_on_the_page(two: list[Path]) -> None:
    pytest.importorskip("vl_convert")
    from perpend.evals.reports.page import page

    html = page(report(two))
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert html.count("<svg") == 4
    assert "http" not in html.replace("http://www.w3.org", ""), "it loads nothing"


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="isn't the folder of a run"):
        report([tmp_path])
