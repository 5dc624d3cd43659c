"""A run written as results of lm-evaluation-harness reads back, but for what has no place there."""

import json
from pathlib import Path

import pytest
from eval_runs import PROBLEMS, a_run

from perpend.errors import BadRequest
from perpend.evals.interop import lm_eval_import
from perpend.evals.interop.lm_eval_export import write
from perpend.evals.reports.report import read
from perpend.evals.runs.folder import RunFolder, read_header
from perpend.evals.runs.samples import Sample
from perpend.types import Verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return a_run(tmp_path / "run", {0, 1}, 16)


def test_it_reads_back_with_its_marks(folder: Path) -> None:
    results = write(read(folder, "run"), folder / "results")
    (samples,) = lm_eval_import.sample_files(results)
    after = lm_eval_import.read(samples, "acc,none")
    assert [(one.id, one.messages, one.gold) for one in after.problems] == [
        (one.id, one.messages, one.gold) for one in PROBLEMS
    ]
    assert [one.correct for one in after.samples] == [True, True, *[False] * 6]


def test_results_have_the_accuracy_under_its_own_name(folder: Path) -> None:
    results = json.loads(write(read(folder, "run"), folder / "results").read_bytes())
    (task,) = results["results"].values()
    assert (task["acc,none"], task["sample_len"]) == (0.25, 8)
    assert results["n-samples"]["mine_jsonl"] == {"original": 8, "effective": 8}


def test_several_samples_of_a_problem_become_their_mean(folder: Path) -> None:
    with RunFolder.open(folder, read_header(folder), PROBLEMS) as run:
        run.add(Sample(problem="p0", number=1, answer="no", verdict=Verdict(0.0, False)))
    (samples,) = lm_eval_import.sample_files(write(read(folder, "run"), folder / "results"))
    first = json.loads(samples.read_bytes().splitlines()[0])
    assert (first["acc"], len(first["resps"][0])) == (0.5, 2)


def test_nothing_is_overwritten(folder: Path) -> None:
    write(read(folder, "run"), folder / "results")
    with pytest.raises(BadRequest, match="is there already"):
        write(read(folder, "run"), folder / "results")
