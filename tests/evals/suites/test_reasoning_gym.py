"""Suites that are made afresh."""

from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.evals.suites import reasoning_gym as gym
from perpend.evals.suites.catalogue import load

pytest.importorskip("reasoning_gym", reason="the extra `evals` isn't installed")


def test_a_mix_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, same, other = (load("gym", tmp_path, limit=32, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert {problem.category for problem in one} == set(gym.MIX)
    assert len({problem.id for problem in one}) == 32
    assert one[0].messages != other[0].messages


def test_difficulty_is_a_dial(tmp_path: Path) -> None:
    easy, hard = (load(f"gym/chain_sum@{level}", tmp_path, limit=20) for level in (0, 3))
    assert sum(len(p.messages[0].text) for p in hard) > sum(len(p.messages[0].text) for p in easy)


@pytest.mark.parametrize("name", ["gym/", "gym/a b", "gym/chain_sum@", "gym/nothing", "gym/n_queens"])
def test_what_is_no_suite(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadRequest):
        load(name, tmp_path)
