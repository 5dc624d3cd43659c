"""What a request may be lowered to under load: by the model's curve, or carefully where nobody measured one."""

import datetime
from dataclasses import replace

import pytest
from spine import Spine

from perpend.accounting.calibration import Calibration, CalibrationPoint
from perpend.backends.replay import ReplayBackend
from perpend.solve import ServedModel
from perpend.solve.shedding import steps_for


def served(family: str) -> ServedModel:
    return Spine(ReplayBackend([]), family=family).model


@pytest.mark.parametrize(
    ("family", "thinking", "steps"),
    [
        ("qwen3", 16_384, (16_384, 8192)),
        ("qwen3", 6000, (6000, 4096)),
        ("qwen3", 4096, (4096, 0)),
        ("qwen3", 1024, (1024, 0)),
        ("qwen3", 0, (0,)),
        ("deepseek-r1", 16_384, (16_384, 8192)),  # it can't but think
        ("deepseek-r1", 4096, (4096,)),
        (
            "qwen2.5-coder",
            2048,
            (2048, 1024),
        ),  # thinking is our prompt's doing: without it, it was never trained to do well
        ("qwen2.5-coder", 512, (512,)),
    ],
)
def test_unmeasured_thinking_is_halved_at_most_and_never_cut_below_medium(
    family: str, thinking: int, steps: tuple[int, ...]
) -> None:
    assert steps_for(served(family), thinking) == steps


def test_a_calibrated_models_thoughts_are_left_whole() -> None:
    point = CalibrationPoint(effort="high", budget=16_384, used=(5000, 9000, 10_000))
    calibration = Calibration(
        model="m",
        family="qwen3",
        measured=datetime.datetime(2026, 11, 28, tzinfo=datetime.UTC),
        prompts=3,
        points=(point,),
    )
    assert steps_for(replace(served("qwen3"), calibration=calibration), 16_384) == (16_384, 10_000)
