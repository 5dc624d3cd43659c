"""Suites of reasoning-gym: made afresh from a seed, so no model has seen them. Needs the extra `evals`.

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
"""Sums, algorithms, logic and words, all with scorers that hold."""
USUAL = 100
"""Problems, where nobody says how many."""
_NAME = re.compile(r"gym(?:/(?P<task>\w+)(?:@(?P<level>\d+))?)?")
_ASK = "\n\nThink step by step, then write the answer alone between <answer> and </answer>, in the form asked for."


def names(name: str) -> bool:
    """Whether it's one of these suites."""
    return name.startswith("gym/") or name == "gym"


def tasks() -> list[str]:
    """Those that can be used. Raises ConfigError where reasoning-gym isn't installed."""
    return sorted(set(package().factory.DATASETS) - set(REFUSED))


def problems(name: str, count: int, seed: int) -> list[Problem]:
    """The same ones for the same seed and version of reasoning-gym. Raises BadRequest, ConfigError."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadRequest(f"{name!r} is no suite", hint="gym, gym/TASK or gym/TASK@LEVEL", field="SUITE")
    of = (match["task"],) if match["task"] else MIX
    level = int(match["level"]) if match["level"] else None
    drawn = [GymProblem(of[place % len(of)], seed, place // len(of), level) for place in range(count)]
    return [_problem(one) for one in drawn]


def _problem(drawn: GymProblem) -> Problem:
    _, entry = problem(drawn)
    at = "" if drawn.level is None else f"@{drawn.level}"
    return Problem(
        id=f"{drawn.task}{at}-{drawn.seed}-{drawn.index}",
        messages=(Message("user", entry["question"] + _ASK),),
        verifier=VerifierSpec("reasoning_gym", msgspec.json.encode(drawn).decode()),
        category=drawn.task,
    )
