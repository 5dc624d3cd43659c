"""Suites of reasoning-gym (arXiv:2505.24760), generated from a seed. Needs the extra `evals`.

`gym` is a mix of tasks, `gym/TASK` one task, `gym/TASK@LEVEL` one at a level of its curriculum, from 0.
"""

import re

import msgspec

from perpend.errors import BadRequest
from perpend.evals.problems import Problem
from perpend.types import Message, VerifierSpec
from perpend.verifiers.gym import REFUSED, GymProblem, package, problem

MIX = (
    *("basic_arithmetic", "chain_sum", "gcd", "base_conversion", "simple_equations", "number_sequence"),
    *(
        "calendar_arithmetic",
        "leg_counting",
        "letter_counting",
        "caesar_cipher",
        "spell_backward",
        "count_bits",
    ),
    *("family_relationships", "knights_knaves", "syllogism", "largest_island"),
)
"""Arithmetic, algorithms, logic and words; tasks with reliable scorers."""
USUAL = 100
"""The default number of problems."""
_NAME = re.compile(r"gym(?:/(?P<task>\w+)(?:@(?P<level>\d+))?)?")
_ASK = "\n\nThink step by step, then write the answer alone between <answer> and </answer>, in the form asked for."


def names(name: str) -> bool:
    """Whether `name` is one of these suites."""
    return name.startswith("gym/") or name == "gym"


def tasks() -> list[str]:
    """The usable tasks' names. Raises ConfigError where reasoning-gym isn't installed."""
    return sorted(set(package().factory.DATASETS) - set(REFUSED))


def problems(name: str, count: int, seed: int) -> list[Problem]:
    """`count` problems; the same seed and version of reasoning-gym give the same ones. Raises BadRequest for an unknown
    name, ConfigError where reasoning-gym isn't installed.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadRequest(f"{name!r} is no suite", hint="gym, gym/TASK or gym/TASK@LEVEL", field="SUITE")
    task_names = (match["task"],) if match["task"] else MIX
    level = int(match["level"]) if match["level"] else None
    drawn = [
        GymProblem(task_names[index % len(task_names)], seed, index // len(task_names), level)
        for index in range(count)
    ]
    return [_problem(gym_problem) for gym_problem in drawn]


def _problem(drawn: GymProblem) -> Problem:
    _, entry = problem(drawn)
    level = "" if drawn.level is None else f"@{drawn.level}"
    return Problem(
        id=f"{drawn.task}{level}-{drawn.seed}-{drawn.index}",
        messages=(Message("user", entry["question"] + _ASK),),
        verifier=VerifierSpec("reasoning_gym", msgspec.json.encode(drawn).decode()),
        category=drawn.task,
    )
