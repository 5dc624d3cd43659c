"""Logs of inspect-ai become runs: what was asked, thought, answered, used and marked; anything else is let be."""

import json
import re
import sys
import zipfile
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from perpend.errors import BadRequest, ConfigError
from perpend.evals.interop.foreign import ForeignRun, save
from perpend.evals.interop.inspect_import import read
from perpend.evals.reports.report import report
from perpend.evals.runs.folder import read_header, read_samples
from perpend.types import Usage

MODEL = "openai-api/somewhere/m"
HEADER: dict[str, Any] = {
    "version": 2,
    "status": "success",
    "eval": {
        "created": "2026-01-02T03:04:05+00:00",
        "task": "sums",
        "dataset": {"name": "sums", "sample_ids": ["a", 2], "shuffled": False},
        "model": MODEL,
        "model_base_url": "http://somewhere/v1",
        "model_generate_config": {"max_tokens": 512, "temperature": 0.5},
        "config": {"epochs": 1, "limit": 2},
        "packages": {"inspect_ai": "0.3.285"},
    },
    "plan": {"name": "plan", "steps": [], "config": {"reasoning_effort": "low", "reasoning_tokens": 256}},
    "results": {"scores": [{"name": "match", "metrics": {"stderr": {"name": "stderr", "value": 0.5}}}]},
}


def sample(id_: str | int, answer: str, **more: Any) -> dict[str, Any]:
    asked = [
        {"role": "system", "content": "Be brief.", "source": "input"},
        {"role": "assistant", "content": "An example.", "source": "input"},
        {"role": "user", "content": f"Solve {id_}.", "source": "input"},
    ]
    content = [
        {"type": "reasoning", "reasoning": "Let me see.", "redacted": False},
        {"type": "text", "text": answer},
    ]
    said = {"role": "assistant", "content": content, "source": "generate"}
    used = {"input_tokens": 10, "input_tokens_cache_read": 5, "output_tokens": 9, "reasoning_tokens": 7}
    return {
        "id": id_,
        "epoch": 1,
        "input": f"{id_}?",
        "target": "4",
        "messages": [*asked, said],
        "output": {"model": "m-1", "choices": [{"message": said, "stop_reason": "stop"}]},
        "scores": {"match": {"value": "C" if answer == "4" else "I"}},
        "model_usage": {MODEL: {**used, "total_cost": 0.25}},
        "total_time": 1.5,
        "uuid": "whatever",
        **more,
    }


def log(path: Path, *samples: dict[str, Any], module: Any = zipfile, how: int = zipfile.ZIP_DEFLATED) -> Path:
    with module.ZipFile(path, "w", how) as file:
        file.writestr("header.json", json.dumps(HEADER))
        for one in samples:
            file.writestr(f"samples/{one['id']}_epoch_{one['epoch']}.json", json.dumps(one))
    return path


@pytest.fixture
def read_back(tmp_path: Path) -> ForeignRun:
    """In the order in which they were done, which isn't the suite's."""
    return read(log(tmp_path / "one.eval", sample(2, "5"), sample("a", "4")))


def test_settings_say_what_was_asked_for(read_back: ForeignRun) -> None:
    settings = read_back.header.settings
    assert (settings.suite, settings.model, settings.target) == ("sums", MODEL, "http://somewhere/v1")
    assert (settings.effort, settings.max_thinking_tokens, settings.max_output_tokens) == ("low", 256, 512)
    assert (settings.temperature, settings.problems) == (0.5, ("a", "2"))
    assert read_back.header.versions == {"inspect_ai": "0.3.285"}


def test_problems_are_what_the_model_was_shown(read_back: ForeignRun) -> None:
    problem = read_back.problems[0]
    assert [(one.role, one.text) for one in problem.messages] == [
        ("system", "Be brief."),
        ("assistant", "An example."),
        ("user", "Solve a."),
    ]
    assert problem.gold == "4"


def test_samples_keep_thinking_tokens_cost_and_marks(read_back: ForeignRun) -> None:
    right, wrong = read_back.samples
    assert (right.problem, right.number, right.answer, right.thinking) == ("a", 0, "4", "Let me see.")
    assert right.usage == Usage(input=15, cached=5, thinking=7, answer=2)
    assert (right.cost_usd, right.seconds, right.model_version) == (Decimal("0.25"), 1.5, "m-1")
    assert right.correct
    assert not wrong.correct


@pytest.mark.parametrize(
    ("value", "passed", "score"),
    [
        ("P", False, 0.5),
        ("N", False, 0.0),
        (1, True, 1.0),
        (0.25, False, 0.25),
        (True, True, 1.0),
        ("yes", True, 1.0),
    ],
)
def test_full_marks_pass(tmp_path: Path, value: Any, passed: bool, score: float) -> None:
    (one,) = read(log(tmp_path / "one.eval", sample("a", "4", scores={"graded": {"value": value}}))).samples
    assert one.verdict is not None
    assert (one.verdict.passed, one.verdict.score) == (passed, score)


def test_a_scorer_can_be_named(tmp_path: Path) -> None:
    scores = {"match": {"value": "C"}, "judge": {"value": "I"}, "many": {"value": {"a": 1}}}
    path = log(tmp_path / "one.eval", sample("a", "4", scores=scores))
    assert [read(path, name).samples[0].correct for name in (None, "match", "judge")] == [True, True, False]
    assert read(path, "many").samples[0].verdict is None, "it's no single mark"
    with pytest.raises(BadRequest, match="no scorer named 'none'"):
        read(path, "none")


def test_what_failed_or_was_cut_says_so(tmp_path: Path) -> None:
    failed = sample("a", "", error={"message": "gone", "traceback": ""}, output={"choices": []})
    cut = sample(2, "5", limit={"type": "time", "limit": 10})
    one, other = read(log(tmp_path / "one.eval", failed, cut)).samples
    assert (one.error, one.verdict) == ("failed", None)
    assert (other.truncated, other.stop_reason) == (True, "deadline")


def test_of_redacted_reasoning_its_summary_is_kept(tmp_path: Path) -> None:
    held = sample("a", "4")
    part = held["output"]["choices"][0]["message"]["content"][0]
    part |= {"redacted": True, "reasoning": "c2VjcmV0", "summary": "It adds."}
    assert read(log(tmp_path / "one.eval", held)).samples[0].thinking == "It adds."


def test_any_of_several_targets_would_do_so_there_is_no_gold(tmp_path: Path) -> None:
    assert read(log(tmp_path / "one.eval", sample("a", "4", target=["4", "four"]))).problems[0].gold is None


def test_a_json_log_is_the_same_run_and_may_hold_what_isnt_json(
    tmp_path: Path, read_back: ForeignRun
) -> None:
    path = tmp_path / "one.json"
    path.write_text(
        json.dumps({**HEADER, "samples": [sample("a", "4"), sample(2, "5")], "odd": float("nan")})
    )
    assert read(path) == read_back


def test_logs_compressed_with_zstd(tmp_path: Path, read_back: ForeignRun) -> None:
    if sys.version_info < (3, 14):
        pytest.importorskip("backports.zstd")
    module = import_module("zipfile" if sys.version_info >= (3, 14) else "backports.zstd.zipfile")
    path = log(
        tmp_path / "zstd.eval", sample("a", "4"), sample(2, "5"), module=module, how=module.ZIP_ZSTANDARD
    )
    assert read(path).samples == read_back.samples


def test_without_zstd_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = log(tmp_path / "one.eval", sample("a", "4"))
    data = path.read_bytes()
    for mark, offset in (
        (b"PK\x03\x04", 8),
        (b"PK\x01\x02", 10),
    ):  # where each entry says how it's compressed
        data = re.sub(re.escape(mark) + b".{%d}" % (offset - 4) + b"(..)", zstd, data, flags=re.DOTALL)
    path.write_bytes(data)

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("perpend.evals.interop.inspect_import.import_module", missing)
    with pytest.raises(ConfigError, match="zstd"):
        read(path)


def zstd(found: re.Match[bytes]) -> bytes:
    return found[0][:-2] + b"\x5d\0"


def test_a_log_without_its_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cut.eval"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("_journal/start.json", "{}")
    with pytest.raises(BadRequest, match=r"no header\.json"):
        read(path)


def test_what_is_no_zip_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.eval").write_bytes(b"no")
    with pytest.raises(BadRequest, match=r"no\.eval"):
        read(tmp_path / "no.eval")


def test_what_wasnt_marked_has_no_verdict(tmp_path: Path) -> None:
    for scores in (None, {}, {"match": {"value": float("nan")}}, {"match": {"value": "perhaps"}}):
        path = tmp_path / "one.eval"
        assert read(log(path, sample("a", "4", scores=scores))).samples[0].verdict is None


def test_kept_it_is_a_run_like_any_other_and_only_once(tmp_path: Path, read_back: ForeignRun) -> None:
    save(read_back, tmp_path / "run")
    assert read_header(tmp_path / "run") == read_back.header
    assert read_samples(tmp_path / "run") == read_back.samples
    assert report([tmp_path / "run"]).runs[0].accuracy.estimate == 0.5
    with pytest.raises(BadRequest, match="holds a run already"):
        save(read_back, tmp_path / "run")
