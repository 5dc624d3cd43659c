"""Real models' samples come to the figures that were published of them."""

import json
from collections import Counter
from statistics import fmean
from typing import Any

import pytest
from shared_data import shared

from perpend.evals.runs.rows import SampleRow
from perpend.evals.stats.summary import summary


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shared(f"outcomes/{name}").read_text().splitlines()]


@pytest.fixture(scope="module")
def rewarded() -> list[SampleRow]:
    """Qwen2.5-Math-7B on 100 MATH problems, 8 samples each, with its reward model's scores."""
    return [
        SampleRow(problem=record["id"], answer=answer, correct=right, reward=reward)
        for record in records("bon_math100_x8_rm.jsonl")
        for answer, right, reward in zip(record["preds"], record["correct"], record["rm_scores"], strict=True)
    ]


def test_eight_samples_with_a_reward_model(rewarded: list[SampleRow]) -> None:
    at_k = summary(rewarded).at_k
    assert at_k["pass@1"].estimate == pytest.approx(0.910)
    assert at_k["pass@8"].estimate == pytest.approx(0.960)
    assert at_k["best@8"].estimate == pytest.approx(0.940)
    assert at_k["weighted@8"].estimate == pytest.approx(0.940)


def test_their_majority_gives_a_tie_to_the_answer_that_came_first(rewarded: list[SampleRow]) -> None:
    """That is published as .930; split, ties are worth half a problem less."""
    answers: dict[str, list[SampleRow]] = {}
    for row in rewarded:
        answers.setdefault(str(row.problem), []).append(row)
    first = [
        next(row.correct for row in of if row.answer == Counter(r.answer for r in of).most_common(1)[0][0])
        for of in answers.values()
    ]
    assert fmean(first) == pytest.approx(0.930)
    assert summary(rewarded).at_k["maj@8"].estimate == pytest.approx(0.925)


@pytest.mark.parametrize(
    ("dataset", "n", "pass_1", "pass_50", "maj_32"),
    [("amc23", 40, 0.144, 0.675, 0.251), ("aime2024", 30, 0.024, 0.300, None)],
)
def test_fifty_samples_of_competition_problems(
    dataset: str, n: int, pass_1: float, pass_50: float, maj_32: float | None
) -> None:
    rows = [
        SampleRow(problem=record["id"], answer=answer, correct=right)
        for record in records("samples50_llama3b_aime_amc.jsonl")
        if record["dataset"] == dataset and "step400" in record["source"]
        for answer, right in zip(record["preds"], record["correct"], strict=True)
    ]
    found = summary(rows)
    assert (found.problems, found.samples, found.fewest) == (n, 50 * n, 50)
    assert found.at_k["pass@1"].estimate == pytest.approx(pass_1, abs=5e-4)
    assert found.at_k["pass@50"].estimate == pytest.approx(pass_50, abs=5e-4)
    if maj_32 is not None:
        assert found.at_k["maj@32"].estimate == pytest.approx(maj_32, abs=5e-4)


def test_a_hundred_samples_of_the_game_of_24() -> None:
    """GPT-4 by chain of thought, as in the tree of thoughts paper: 4.0 % and 49 %."""
    rows = [
        SampleRow(problem=record["id"], correct=right)
        for record in records("game24_gpt4_samples100.jsonl")
        if "cot" in record["id"]
        for right in record["scores"]
    ]
    at_k = summary(rows).at_k
    assert at_k["pass@1"].estimate == pytest.approx(0.040, abs=5e-4)
    assert at_k["pass@100"].estimate == pytest.approx(0.49)
