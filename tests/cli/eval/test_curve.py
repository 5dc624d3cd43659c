"""`perpend eval curve`: runs of a real model at several budgets become what its gateway sheds by."""

import json
from pathlib import Path

import pytest
from commands import run
from eval_runs import a_run

from perpend.accounting.curves import curve_of

BUDGETS = (0, 4, 32, 128)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with runs of the tiny reasoner at four budgets."""
    home = tmp_path_factory.mktemp("home")
    budgets = map(str, BUDGETS)
    asked = ("--model", "tiny", "--budgets", *budgets, "--limit", "60", "--parallel", "8", "--out", "runs")
    done = run(home, "eval", "decide", "tiny/add", *asked)
    assert done.returncode == 0, done.stderr
    return home


def folders() -> list[str]:
    return [f"runs/tiny-{budget}" for budget in BUDGETS]


def test_it_prints_accuracies_with_intervals_and_what_load_does(measured: Path) -> None:
    done = run(measured, "eval", "curve", *folders())
    assert done.returncode == 0, done.stderr
    assert "60 problems of tiny/add" in done.stdout
    assert all(f"│ {budget} " in done.stdout for budget in BUDGETS)
    assert "natural length" in done.stdout
    assert curve_of(measured, "tiny") is None, "printing installs nothing"


def test_it_installs_what_the_other_commands_then_tell(measured: Path) -> None:
    done = run(measured, "eval", "curve", "runs", "--install", "--json")
    assert done.returncode == 0, done.stderr
    told, curve = json.loads(done.stdout), curve_of(measured, "tiny")
    assert curve is not None
    assert told["installed"] == str(measured / "curves" / "tiny.json")
    assert (told["n"], told["data"]) == (60, curve.data)
    assert [point["budget"] for point in told["points"]] == list(BUDGETS)
    for point in told["points"]:
        assert point["accuracy"]["low"] <= point["accuracy"]["estimate"] <= point["accuracy"]["high"]
        assert point["steps"] == list(curve.steps(point["budget"]))
        assert point["thinking_tokens"] <= point["budget"]
    shown = json.loads(run(measured, "models", "show", "tiny", "--json").stdout)
    assert (shown["curve"]["problems"], shown["curve"]["data"]) == (60, curve.data)
    assert "curve\n  accuracy" in run(measured, "models", "show", "tiny").stdout
    (measured / "curves" / "tiny.json").unlink()
    assert "curve      none" in run(measured, "models", "show", "tiny").stdout


def test_it_draws_a_picture(measured: Path) -> None:
    pytest.importorskip("vl_convert")
    done = run(measured, "eval", "curve", *folders(), "--plot", "curve.png")
    assert done.returncode == 0, done.stderr
    assert (measured / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_margins_are_shares(tmp_path: Path) -> None:
    off, much = a_run(tmp_path / "off", {0}, 0), a_run(tmp_path / "much", {0, 1, 2, 3}, 64)
    done = run(tmp_path, "eval", "curve", str(off), str(much), "--margin", "0.9", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["margin"], told["off_margin"]) == (0.9, 0.25)
    refused = run(tmp_path, "eval", "curve", str(off), str(much), "--margin", "5")
    assert (refused.returncode, "--margin 5 isn't a share" in refused.stderr) == (2, True)


def test_one_run_is_no_curve(tmp_path: Path) -> None:
    refused = run(tmp_path, "eval", "curve", str(a_run(tmp_path / "one", {0}, 64)))
    assert (refused.returncode, "the runs have one budget between them" in refused.stderr) == (2, True)
    assert run(tmp_path, "eval", "curve").returncode == 2


def test_it_is_installed_for_a_model_that_is_there(tmp_path: Path) -> None:
    a_run(tmp_path / "off", {0}, 0)
    a_run(tmp_path / "much", {0, 1, 2, 3}, 64)
    refused = run(tmp_path, "eval", "curve", "off", "much", "--model", "tinny", "--install")
    assert (refused.returncode, "unknown model 'tinny'" in refused.stderr) == (2, True)
