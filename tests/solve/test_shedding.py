"""What a request may be lowered to under load: by the model's curve, or carefully where nobody measured one."""

import datetime
from dataclasses import replace

import pytest
from spine import Spine

from perpend.accounting.calibration import Calibration, CalibrationPoint
from perpend.accounting.curves import Curve, CurvePoint, CurveSource, data_hash
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


def measured() -> Curve:
    """Half is right without thinking, all with enough, and none in between."""
    points = tuple(
        CurvePoint(budget=budget, right=right * 50)
        for budget, right in (
            (0, (1, 1, 1, 1, 0)),
            (512, (0, 0, 0, 0, 0)),
            (2048, (1, 1, 1, 1, 1)),
            (4096, (1, 1, 1, 1, 1)),
        )
    )
    source = CurveSource(
        suite="s", fingerprint="f", seeds=(0,), measured="2026-11-28", model_versions=(), runs=()
    )
    return Curve(
        model="m",
        source=source,
        points=points,
        natural_p50=1000,
        natural_p90=1500,
        data=data_hash(points),
        off_margin=0.3,
    )


def test_a_model_with_a_curve_goes_by_it() -> None:
    model = replace(served("qwen3"), curve=measured())
    assert steps_for(model, 16_384) == (16_384, 2048, 0)
    assert steps_for(model, 600) == (600, 0)
    assert steps_for(model, 0) == (0,)


def test_off_is_no_step_for_a_model_that_cant_but_think() -> None:
    model = replace(served("deepseek-r1"), curve=measured())
    assert steps_for(model, 16_384) == (16_384, 2048)
