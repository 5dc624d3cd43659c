"""A run written as a log of inspect-ai reads back as the same run."""

import json
import zipfile
from pathlib import Path

import pytest
from eval_runs import PROBLEMS, a_run

from perpend.errors import BadRequest
from perpend.evals.interop import inspect_import
from perpend.evals.interop.inspect_export import write
from perpend.evals.reports.report import read


@pytest.fixture
def log(tmp_path: Path) -> Path:
    write(read(a_run(tmp_path / "run", {0, 1}, 16), "run"), tmp_path / "run.eval")
    return tmp_path / "run.eval"


def test_it_reads_back_as_it_was(log: Path) -> None:
    before, after = read(log.parent / "run", "run"), inspect_import.read(log)
    assert [one.id for one in after.problems] == [one.id for one in PROBLEMS]
    assert [one.gold for one in after.problems] == [one.gold for one in PROBLEMS]
    for one, other in zip(before.samples, after.samples, strict=True):
        assert (one.answer, one.thinking, one.usage, one.cost_usd) == (
            other.answer,
            other.thinking,
            other.usage,
            other.cost_usd,
        )
        assert one.verdict == other.verdict
    assert after.header.settings.max_thinking_tokens == 16


def test_its_header_sums_up_and_its_summaries_are_one_a_sample(log: Path) -> None:
    with zipfile.ZipFile(log) as files:
        header, summaries = (json.loads(files.read(name)) for name in ("header.json", "summaries.json"))
    (score,) = header["results"]["scores"]
    assert (score["name"], score["scored_samples"]) == ("exact", 8)
    assert score["metrics"]["accuracy"]["value"] == 0.25
    assert [one["scores"]["exact"]["value"] for one in summaries] == ["C", "C", *[0.0] * 6]


def test_nothing_is_overwritten(log: Path) -> None:
    with pytest.raises(BadRequest, match="is there already"):
        write(read(log.parent / "run", "run"), log)
