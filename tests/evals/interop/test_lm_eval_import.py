"""Results of lm-evaluation-harness become runs: a task's samples under one filter, with one metric's marks."""

import json
from pathlib import Path
from typing import Any

import pytest

from perpend.errors import BadRequest
from perpend.evals.interop.lm_eval_import import read, sample_files

TIME = "2026-01-02T03-04-05.678901"
IGNORED = [",", r"(?s).*#### ", r"\.$"]
RESULTS: dict[str, Any] = {
    "configs": {"sums": {"metric_list": [{"metric": "exact_match", "regexes_to_ignore": IGNORED}]}},
    "results": {"sums": {"exact_match,strict": 0.5, "exact_match_stderr,strict": float("nan")}},
    "config": {
        "model": "local-chat-completions",
        "model_args": {"model": "m", "base_url": "http://somewhere/v1/chat/completions"},
        "random_seed": 7,
    },
    "date": 1767323045.7,
    "lm_eval_version": "0.4.13",
    "model_name": "m",
}
ASKED = {"until": ["Q:"], "temperature": 0.0, "max_gen_toks": 128, "reasoning_effort": "low"}


def row(doc_id: int, said: list[str], filter_: str, mark: Any, **more: Any) -> dict[str, Any]:
    chat = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"{doc_id}?"}])
    return {
        "doc_id": doc_id,
        "doc": {"id": f"q{doc_id}", "question": f"{doc_id}?"},
        "target": "2 + 2 = 4.0\n#### 4",
        "arguments": {"gen_args_0": {"arg_0": [chat], "arg_1": ASKED}},
        "resps": [said],
        "filtered_resps": said[:1],
        "filter": filter_,
        "metrics": ["exact_match"],
        "exact_match": mark,
        **more,
    }


def write(folder: Path, *rows: dict[str, Any], task: str = "sums") -> Path:
    (folder / f"results_{TIME}.json").write_text(json.dumps(RESULTS))
    path = folder / f"samples_{task}_{TIME}.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Filters one after the other, as it writes them."""
    answers = (["so 4"], ["so 5"])
    strict = [row(n, said, "strict", 0.0) for n, said in enumerate(answers)]
    return write(
        tmp_path, *strict, *[row(n, said, "flexible", float(n == 0)) for n, said in enumerate(answers)]
    )


def test_settings_say_what_was_asked_for(path: Path) -> None:
    header = read(path).header
    settings = header.settings
    assert (settings.suite, settings.model, settings.target) == (
        "sums",
        "m",
        "http://somewhere/v1/chat/completions",
    )
    assert (settings.effort, settings.max_output_tokens, settings.temperature, settings.seed) == (
        "low",
        128,
        0,
        7,
    )
    assert (header.started, header.versions) == ("2026-01-02T03:04:05+00:00", {"lm_eval": "0.4.13"})


def test_problems_have_the_prompt_and_the_data_sets_own_ids(path: Path) -> None:
    first, second = read(path).problems
    assert [(one.role, one.text) for one in first.messages] == [("system", "Be brief."), ("user", "0?")]
    assert (first.id, second.id, first.gold) == ("q0", "q1", "4")


def test_ids_that_dont_tell_problems_apart_are_not_taken(tmp_path: Path) -> None:
    rows = [row(n, ["4"], "none", 1.0, doc={"id": "same"}) for n in range(2)]
    assert [one.id for one in read(write(tmp_path, *rows)).problems] == ["0", "1"]


def test_one_filter_counts_the_first_or_the_named_one(path: Path) -> None:
    assert [one.correct for one in read(path).samples] == [False, False]
    assert [one.correct for one in read(path, "exact_match,flexible").samples] == [True, False]
    assert [one.answer for one in read(path).samples] == ["so 4", "so 5"]
    with pytest.raises(BadRequest, match="no scorer named"):
        read(path, "exact_match")


def test_repeats_are_candidates_of_the_answer_that_was_graded(tmp_path: Path) -> None:
    voted = row(0, ["5", "4", "4"], "maj@3", 1.0, filtered_resps=["4"])
    (sample,) = read(write(tmp_path, voted)).samples
    assert sample.answer == "4"
    assert [one.answer for one in sample.candidates] == ["5", "4", "4"]


def test_of_choices_the_likeliest_is_the_answer(tmp_path: Path) -> None:
    rated = row(0, [], "none", 1.0, target="1")
    rated["arguments"] = {f"gen_args_{n}": {"arg_0": "2 + 2 =", "arg_1": f" {n + 3}"} for n in range(2)}
    rated["resps"] = [[["-9.5", "False"]], [["-0.5", "True"]]]
    found = read(write(tmp_path, rated))
    assert (found.samples[0].answer, found.problems[0].gold) == ("4", "4")
    assert found.problems[0].messages[0].text == "2 + 2 ="


def test_a_mark_that_is_no_number_is_no_verdict(tmp_path: Path) -> None:
    assert read(write(tmp_path, row(0, ["4"], "none", ["4", "5"]))).samples[0].verdict is None


def test_model_settings_may_be_a_text(path: Path) -> None:
    results = {**RESULTS, "config": {**RESULTS["config"], "model_args": "model=m,base_url=http://there"}}
    path.with_name(f"results_{TIME}.json").write_text(json.dumps(results))
    assert read(path).header.settings.target == "http://there"


def test_without_its_results_the_samples_are_enough(path: Path) -> None:
    path.with_name(f"results_{TIME}.json").unlink()
    assert (read(path).header.started, len(read(path).samples)) == ("2026-01-02T03:04:05.678901", 2)


def test_a_folder_or_results_have_one_file_for_each_task(path: Path) -> None:
    other = write(path.parent, row(0, ["4"], "none", 1.0), task="more_sums")
    assert sample_files(path.parent) == sample_files(path.with_name(f"results_{TIME}.json")) == [other, path]
    assert sample_files(path) == [path]


def test_what_is_wrong_names_the_line(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"jsonl:2: .*resps"):
        read(write(tmp_path, row(0, ["4"], "none", 1.0), row(1, ["4"], "none", 1.0, resps=4)))
