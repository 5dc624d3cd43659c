"""Problems of reasoning-gym, checked by its own scorers. Needs the extra `evals`.

A problem is named by its task, seed, index and level, and generated again to be checked: nothing else is trusted.
"""

import io
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from decimal import localcontext
from functools import lru_cache
from importlib import import_module
from typing import Any

import msgspec
from msgspec import Struct

from perpend.errors import UNREADABLE, BadRequest, ConfigError
from perpend.extras import install
from perpend.types import PASSED, Candidate, Verdict
from perpend.verifiers.contract import GOLD, Task, Verifier, verifiers

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_EVALUATES = "its scorer evaluates what the model wrote"
_PASSES_NONSENSE = "its scorer passes nonsense"
_NOT_REPRODUCIBLE = "its problems aren't the same ones for the same seed"
_NO_GOLD = "its problems come without an answer to test the scorer with"
REFUSED = {
    **dict.fromkeys(("binary_matrix", "countdown", "intermediate_integration", "n_queens"), _EVALUATES),
    **dict.fromkeys(("number_sorting", "polynomial_multiplication", "puzzle24"), _EVALUATES),
    **dict.fromkeys(("simple_integration", "spiral_matrix", "string_insertion"), _EVALUATES),
    **dict.fromkeys(("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"), _NO_GOLD),
    **dict.fromkeys(
        ("isomorphic_strings", "knight_swap", "list_functions", "ransom_note", "word_ladder"),
        _NOT_REPRODUCIBLE,
    ),
    "game_of_life_halting": _PASSES_NONSENSE,
    "composite": "it is a mix of others",
}
"""Tasks of reasoning-gym 0.1.25 that aren't used, and why."""
MOST = 1000
"""Problems of a task for each seed: some tasks make all of them at once."""


class GymProblem(Struct, frozen=True, forbid_unknown_fields=True):
    """The gold, as JSON: which problem is meant."""

    task: str
    seed: int
    index: int
    level: int | None = None
    """The level of the task's curriculum, from 0; None: its default difficulty."""


class Gym(Verifier):
    """The answer is between the last <answer> tags, or the whole text. A full score passes."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        dataset, entry = problem(_gold(task.required_gold))
        try:
            with _quietly():
                score = float(dataset.score_answer(tagged_answer(candidate.answer), entry))
        except Exception:  # scorers raise all sorts of errors at answers of another form
            score = 0.0
        if score >= 1.0:
            return PASSED
        return Verdict(max(score, 0.0), False, "the answer is wrong, or in another form than was asked for")

    async def check(self, task: Task) -> None:
        problem(_gold(task.required_gold))

    async def same(self, first: str, second: str) -> bool:
        return tagged_answer(first) == tagged_answer(second)


def _gold(gold: str) -> GymProblem:
    try:
        return msgspec.json.decode(gold, type=GymProblem)
    except UNREADABLE as error:
        raise BadRequest(f"the gold names no problem: {error}", field=GOLD) from None


def tagged_answer(text: str) -> str:
    """The text between the last <answer> tags, or all of it."""
    found = _ANSWER.findall(text)
    return (found[-1] if found else text).strip()


def package() -> Any:
    """The package reasoning_gym. Raises ConfigError where it isn't installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module("reasoning_gym")
    except ImportError:
        raise ConfigError("reasoning-gym isn't installed", hint=install("perpend[evals]")) from None


def problem(named: GymProblem) -> tuple[Any, dict[str, Any]]:
    """The problem's data set and its entry. Raises BadRequest and ConfigError."""
    if named.task in REFUSED:
        raise BadRequest(f"the task {named.task!r} isn't used: {REFUSED[named.task]}", field="SUITE")
    if not 0 <= named.index < MOST:
        raise BadRequest(f"a seed has {MOST} problems of a task", hint="take another seed", field="--limit")
    with _quietly():
        dataset = _dataset(named.task, named.seed, named.level)
        return dataset, dataset[named.index]


@contextmanager
def _quietly() -> Generator[None, None, None]:
    """Some tasks print or warn, and one changes the precision of all decimals, dollars included: undo all that."""
    with redirect_stdout(io.StringIO()), warnings.catch_warnings(), localcontext():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=256)
def _dataset(task: str, seed: int, level: int | None) -> Any:
    factory: Any = package() and import_module("reasoning_gym.factory")
    try:
        if level is None:
            return factory.create_dataset(task, seed=seed, size=MOST)
        curriculum = factory.create_curriculum(task)
        most = max(len(attribute.levels) for attribute in curriculum.attributes.values()) - 1
        if level > most:
            raise ValueError(f"its levels are 0 to {most}")
        curriculum.set_global_level(level)
        return factory.create_dataset(
            task, **vars(curriculum.generate_configuration({"seed": seed, "size": MOST}))
        )
    except (ValueError, AssertionError, KeyError) as error:
        raise BadRequest(f"reasoning-gym has no {task!r} at this level: {error}", field="SUITE") from None


verifiers.register("reasoning_gym")(Gym)
