"""`perpend calibrate`, on the bundled model: what is asked, used and kept."""

import json
from pathlib import Path

import pytest

from perpend.accounting.calibration import Calibration, Point, calibration_of
from perpend.cli.calibrate import calibrate
from perpend.errors import BadRequest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PERPEND_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_bundled_model_keeps_to_every_budget(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibrate("tiny", budgets=(8,), limit=4, json=True)
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
    calibrate("tiny", prompts=home / "prompts")
    assert "thinking tokens on 2 prompts" in capsys.readouterr().out


def test_a_file_without_prompts_is_refused(home: Path) -> None:
    (home / "empty").write_text("\n")
    with pytest.raises(BadRequest, match="holds no prompt"):
        calibrate("tiny", prompts=home / "empty")
    with pytest.raises(BadRequest, match="can't be read"):
        calibrate("tiny", prompts=home / "nowhere")


def test_bad_counts_are_refused() -> None:
    with pytest.raises(BadRequest, match="--budgets must be at least 1"):
        calibrate("tiny", budgets=(0,))


def test_the_plot_is_a_picture(home: Path) -> None:
    pytest.importorskip("vl_convert")
    import datetime

    from perpend.cli.calibrate_plot import draw  # pyright: ignore[reportUnknownVariableType]

    points = Point(effort="low", budget=16, used=(3, 9)), Point(budget=32, used=(30, 40))
    when = datetime.datetime.now(datetime.UTC)
    draw(Calibration(model="m", family="f", measured=when, prompts=2, points=points), home / "plot.png")
    assert (home / "plot.png").read_bytes().startswith(b"\x89PNG")
