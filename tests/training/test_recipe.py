# pyright: basic, reportMissingImports=false
"""A run: killed with -9 it goes on, and ends in the very weights of one that wasn't. Needs the extra `training`."""

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the extra `training` (torch) isn't installed")
import torch

SCRIPT = Path(__file__).with_name("tiny_recipe.py")
spec = importlib.util.spec_from_file_location("tiny_recipe", SCRIPT)
assert spec is not None
assert spec.loader is not None
tiny_recipe = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny_recipe)


def test_killed_twice_it_ends_in_the_same_weights(tmp_path: Path) -> None:
    whole = tiny_recipe.run(tmp_path / "whole")
    for killed_after in (3, 4):  # in the cold start, then in reinforcement
        command = [sys.executable, str(SCRIPT), str(tmp_path / "killed"), str(killed_after)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr
    resumed = tiny_recipe.run(tmp_path / "killed")
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    steps = [json.loads(line) for line in (tmp_path / "killed" / "log.jsonl").read_text().splitlines()]
    assert [(row["stage"], row["step"]) for row in steps] == [
        *(("cold_start", step) for step in range(5)),
        *(("grpo", step) for step in range(3)),
    ]
    first, second = (
        json.loads((tmp_path / run / "measured.json").read_text()) for run in ("whole", "killed")
    )
    assert first["stages"] == second["stages"]


def test_a_folder_of_another_recipe_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="another recipe"):
        tiny_recipe.run(tmp_path)
