"""A run's folder grows by whole samples, goes on after any cut, and belongs to one run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.evals.runs.folder import Header, RunFolder, read_events, read_header, read_problems, read_samples
from perpend.evals.runs.log import Moment
from perpend.evals.runs.samples import RunSettings, Sample
from perpend.types import CallEnded, ThinkingDelta

SETTINGS = RunSettings(suite="s", problems=("a", "b"), fingerprint="0", target="local")
HEADER = Header(settings=SETTINGS, started="2026-01-01T00:00:00+00:00", versions={}, machine={})


def test_it_goes_on_with_the_samples_that_are_there(tmp_path: Path) -> None:
    with RunFolder.open(tmp_path / "run", HEADER, ()) as folder:
        folder.add(Sample(problem="a", number=0, answer="1"))
    with RunFolder.open(tmp_path / "run", HEADER, ()) as folder:
        assert folder.samples == [Sample(problem="a", number=0, answer="1")]
        folder.add(Sample(problem="b", number=0, error="upstream_error"))
    assert [sample.problem for sample in read_samples(tmp_path / "run")] == ["a", "b"]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_was_cut_is_dropped_and_nothing_else(tmp_path: Path, cut: int) -> None:
    with RunFolder.open(tmp_path, HEADER, ()) as folder:
        folder.add(Sample(problem="a", number=0))
        folder.add(Sample(problem="b", number=0))
    file = tmp_path / "samples.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    assert [sample.problem for sample in read_samples(tmp_path)] == ["a"]
    with RunFolder.open(tmp_path, HEADER, ()) as folder:
        folder.add(Sample(problem="b", number=0))
    assert [sample.problem for sample in read_samples(tmp_path)] == ["a", "b"]


EVENTS = (Moment(0.1, 0.2, ThinkingDelta("so", 1)), Moment(0.2, 0.2, CallEnded("stop")))


@pytest.mark.parametrize("cut", [1, 9])
def test_a_sample_that_is_there_has_its_events(tmp_path: Path, cut: int) -> None:
    with RunFolder.open(tmp_path, HEADER, ()) as folder:
        folder.add(Sample(problem="a", number=0), EVENTS)
        folder.add(Sample(problem="b", number=0), EVENTS[:1])
    file = tmp_path / "samples.jsonl"
    file.write_bytes(file.read_bytes()[:-cut])
    events = tmp_path / "events.jsonl"
    events.write_bytes(events.read_bytes() + b'{"problem":"c","num')
    with RunFolder.open(tmp_path, HEADER, ()) as folder:
        folder.add(Sample(problem="b", number=0), EVENTS[1:])
    assert read_events(tmp_path) == {("a", 0): EVENTS, ("b", 0): EVENTS[1:]}


def test_another_runs_folder_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    RunFolder.open(tmp_path, HEADER, ()).close()
    other = RunSettings(suite="s", problems=("a", "b"), fingerprint="0", target="local", seed=1)
    with pytest.raises(BadRequest, match="seed"):
        RunFolder.open(tmp_path, Header(settings=other, started="", versions={}, machine={}), ())


@pytest.mark.parametrize("read", [read_header, read_problems])
def test_a_folder_that_is_none_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(BadRequest, match="isn't the folder of a run"):
        read(tmp_path)
