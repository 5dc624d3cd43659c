"""Problems of reasoning-gym: made again to be checked, and every task in use has a scorer that holds."""

import os
import subprocess
import sys
from decimal import getcontext
from pathlib import Path

import pytest

from perpend.errors import BadRequest
from perpend.types import Candidate
from perpend.verifiers import Task, verifiers
from perpend.verifiers.gym import REFUSED, GymProblem, problem

gym = pytest.importorskip("reasoning_gym", reason="the extra `evals` isn't installed")


async def test_an_answer_stands_between_tags_or_alone() -> None:
    gold = '{"task": "chain_sum", "seed": 1, "index": 0}'
    right = str(problem(GymProblem("chain_sum", 1, 0))[1]["answer"])
    verifier = verifiers.get("reasoning_gym")()
    for answer in (right, f"<answer>1000000</answer> no: <answer>\n{right} </answer> done"):
        assert (await verifier.verify(Task(gold=gold), Candidate(answer=answer))).passed
    assert not (await verifier.verify(Task(gold=gold), Candidate(answer=f"{right}0"))).passed


@pytest.mark.parametrize(
    ("gold", "said"),
    [
        ("7", "names no problem"),
        ('{"task": "n_queens", "seed": 1, "index": 0}', "evaluates what the model wrote"),
        ('{"task": "nothing", "seed": 1, "index": 0}', "has no 'nothing'"),
        ('{"task": "chain_sum", "seed": 1, "index": -1}', "1000 problems"),
        ('{"task": "chain_sum", "seed": 1, "index": 0, "level": 99}', "at this level"),
    ],
)
async def test_what_names_no_problem(gold: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        await verifiers.get("reasoning_gym")().verify(Task(gold=gold), Candidate(answer="7"))


async def test_every_task_in_use_passes_its_golds_and_nothing_wrong(tmp_path: Path) -> None:
    from perpend.evals.audits.trial import trial
    from perpend.evals.suites.catalogue import load
    from perpend.evals.suites.reasoning_gym import tasks

    assert set(REFUSED) <= set(gym.factory.DATASETS)
    for task in tasks():
        assert (await trial(load(f"gym/{task}", tmp_path, limit=2, seed=1))).sound, task


_DRAW = """
from perpend.evals.suites.reasoning_gym import tasks
from perpend.verifiers.gym import GymProblem, problem
print([(task, problem(GymProblem(task, 1, n))[1]["question"]) for task in tasks() for n in range(6)])
"""


def test_a_problem_is_the_same_in_every_process() -> None:
    """Python hashes texts differently in each, and sets have another order then."""

    def drawn(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", _DRAW],
            env=environment,
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout

    assert drawn("1") == drawn("2")


def test_decimals_stay_as_exact_as_they_were() -> None:
    problem(GymProblem("decimal_arithmetic", 0, 0))
    assert getcontext().prec == 28  # a task of its own precision; dollars are summed in this process
