"""`perpend eval gate`: an exit status for CI."""

import json
from pathlib import Path

import pytest
from commands import run
from eval_runs import a_run


@pytest.mark.parametrize(("right", "status"), [({0, 1, 2, 3, 4, 5, 6, 7}, 0), (set[int](), 1)])
def test_it_fails_where_the_run_is_surely_worse(tmp_path: Path, right: set[int], status: int) -> None:
    a_run(tmp_path / "before", {0, 1, 2, 3, 4, 5, 6}, 16)
    a_run(tmp_path / "after", right, 16)
    gated = run(tmp_path, "eval", "gate", "after", "--baseline", "before", "--json")
    assert gated.returncode == status
    told = json.loads(gated.stdout)
    assert (told["verdict"] == "worse") is bool(status)
    assert told["comparison"]["baseline"] == "before"


def test_bounds_are_of_the_run_as_measured(tmp_path: Path) -> None:
    a_run(tmp_path / "now", {0, 1, 2, 3, 4, 5}, 16)
    kept = run(tmp_path, "eval", "gate", "now", "--min-accuracy", "0.75", "--max-cost-each", "0")
    assert (kept.returncode, kept.stdout) == (0, "every bound is kept\n")
    missed = run(tmp_path, "eval", "gate", "now", "--min-accuracy", "0.8", "--json")
    assert missed.returncode == 1
    assert json.loads(missed.stdout)["missed"] == ["accuracy is 0.7500, not 0.8 or more"]
    assert run(tmp_path, "eval", "gate", "now").returncode == 2
