"""`perpend calibrate`, on the bundled model: what is asked, used and kept."""

import json
from pathlib import Path

import pytest
from aiohttp import web
from fake_server import serving

from perpend.accounting.calibration import Calibration, CalibrationPoint, calibration_of
from perpend.cli.calibrate.command import calibrate
from perpend.cli.calibrate.measuring import Measuring
from perpend.cli.calibrate.options import MeasuringOptions
from perpend.config import load_config
from perpend.errors import BadRequest
from perpend.runtime import Runtime
from perpend.types import Limits, Message, Request


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_bundled_model_keeps_to_every_budget(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibrate("tiny", max_thinking_tokens=(8,), pace=MeasuringOptions(limit=4), json=True)
    told = json.loads(capsys.readouterr().out)
    asked = [(point.get("effort"), point["budget"]) for point in told["points"]]
    assert asked == [("minimal", 16), ("low", 32), ("medium", 64), ("high", 128), ("max", 256), (None, 8)]
    for point in told["points"]:
        assert len(point["used"]) == 4
        assert point["overshoot"] == 0, "exact"
        assert 0 < point["median"] <= point["most"] <= point["budget"]
    kept = calibration_of(home, "tiny")
    assert kept is not None
    assert kept.usual == told["usual"]


def test_prompts_are_the_lines_of_a_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "prompts").write_text("3+4=\n\n5+6=\n")
    calibrate("tiny", prompts=home / "prompts", efforts=("low", "high"))
    shown = capsys.readouterr().out
    assert "thinking tokens on 2 prompts" in shown
    assert "high" in shown
    assert "medium" not in shown


def test_a_file_without_prompts_is_refused(home: Path) -> None:
    (home / "empty").write_text("\n")
    with pytest.raises(BadRequest, match="holds no prompt"):
        calibrate("tiny", prompts=home / "empty")
    with pytest.raises(BadRequest, match="can't be read"):
        calibrate("tiny", prompts=home / "nowhere")


def test_a_model_that_takes_none_of_the_efforts_isnt_asked() -> None:
    with pytest.raises(BadRequest, match="nothing to try"):
        calibrate("tiny", efforts=("none",))


def test_bad_counts_are_refused() -> None:
    with pytest.raises(BadRequest, match="--max-thinking-tokens must be at least 1"):
        calibrate("tiny", max_thinking_tokens=(0,))


def test_the_plot_is_a_picture(home: Path) -> None:
    pytest.importorskip("vl_convert")
    import datetime

    from perpend.cli.calibrate.plot import spec
    from perpend.cli.picture import write_picture  # pyright: ignore[reportUnknownVariableType]

    points = (
        CalibrationPoint(effort="low", budget=16, used=(3, 9)),
        CalibrationPoint(budget=32, used=(30, 40)),
    )
    when = datetime.datetime.now(datetime.UTC)
    calibration = Calibration(model="m", family="f", measured=when, prompts=2, points=points)
    write_picture(spec(calibration), home / "plot.png")
    assert (home / "plot.png").read_bytes().startswith(b"\x89PNG")


USED = {"low": 100, "medium": 400, "high": 1600}


async def think_by_effort(request: web.Request) -> web.StreamResponse:
    """A vendor that takes effort words and counts what it hides."""
    body = await request.json()
    thought = USED[body["reasoning_effort"]] + len(body["messages"][0]["content"])
    chunks: list[dict[str, object]] = [
        {"choices": [{"delta": {"content": "7"}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 9,
                "completion_tokens": thought + 1,
                "completion_tokens_details": {"reasoning_tokens": thought},
            },
        },
    ]
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return web.Response(body=f"{events}data: [DONE]\n\n".encode(), content_type="text/event-stream")


async def test_a_vendor_of_efforts_is_measured_and_then_asked_by_its_measures(home: Path) -> None:
    (home / "prompts").write_text("3+4=\n50+60+70=\n")
    app = web.Application()
    app.router.add_post("/v1/chat/completions", think_by_effort)
    async with serving(app) as url:
        config = home / "own.toml"
        config.write_text(
            f'[providers.lab]\nbase_url = "{url}/v1"\n[models.m]\nprovider = "lab"\nname = "o3-mini"\n'
        )
        measuring = Measuring("m", home / "prompts", MeasuringOptions(limit=9))
        measured, _ = await measuring.run((), (1000,), config)
        asked = [(point.effort, point.budget, point.used) for point in measured.points]
        assert asked == [
            ("low", None, (104, 109)),
            ("medium", None, (404, 409)),
            ("high", None, (1604, 1609)),
            (None, 1000, (104, 109)),  # by the family's row: not measured yet
        ]
        async with await Runtime.open(load_config(config)) as runtime:
            limits = Limits(max_thinking_tokens=1000)
            request = Request(messages=(Message("user", "3+4="),), model="m", limits=limits)
            answer = await runtime.solve(request)
    assert answer.plan.effort == "medium"
    assert answer.budget.thinking_tokens_used == 404
