"""Fresh problems of reasoning-gym and their own scorers. Needs the extra `evals`.

A problem is named by its task, seed, index and level, and made again to be checked: nothing else is trusted.
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
_ANY = "its scorer passes nonsense"
_UNSTEADY = "its problems aren't the same ones for the same seed"
_NO_GOLD = "its problems come without an answer to test the scorer with"
REFUSED = {
    **dict.fromkeys(("binary_matrix", "countdown", "intermediate_integration", "n_queens"), _EVALUATES),
    **dict.fromkeys(("number_sorting", "polynomial_multiplication", "puzzle24"), _EVALUATES),
    **dict.fromkeys(("simple_integration", "spiral_matrix", "string_insertion"), _EVALUATES),
    **dict.fromkeys(("boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"), _NO_GOLD),
    **dict.fromkeys(
        ("isomorphic_strings", "knight_swap", "list_functions", "ransom_note", "word_ladder"), _UNSTEADY
    ),
    "game_of_life_halting": _ANY,
    "composite": "it is a mix of others",
}
"""Tasks of reasoning-gym 0.1.25 that aren't used, and why."""
MOST = 1000
"""Problems of a task for each seed: some tasks make all of them at once."""


class GymProblem(Struct, frozen=True, forbid_unknown_fields=True):
    """The gold, as JSON: which problem it is."""

    task: str
    seed: int
    index: int
    level: int | None = None
    """Of the task's curriculum, from 0; None for its usual difficulty."""


class Gym(Verifier):
    """The answer is between the last <answer> tags, or the whole text. Passed is a full score."""

    needs_gold = True

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        dataset, entry = problem(_drawn(task.right))
        try:
            with _quietly():
                score = float(dataset.score_answer(said(candidate.answer), entry))
        except Exception:  # scorers raise all sorts of errors at answers of another form
            score = 0.0
        if score >= 1.0:
            return PASSED
        return Verdict(max(score, 0.0), False, "the answer is wrong, or in another form than was asked for")

    async def check(self, task: Task) -> None:
        problem(_drawn(task.right))

    async def same(self, first: str, second: str) -> bool:
        return said(first) == said(second)


def _drawn(gold: str) -> GymProblem:
    try:
        return msgspec.json.decode(gold, type=GymProblem)
    except UNREADABLE as error:
        raise BadRequest(f"the gold names no problem: {error}", field=GOLD) from None


def said(text: str) -> str:
    found = _ANSWER.findall(text)
    return (found[-1] if found else text).strip()


def package() -> Any:
    """Raises ConfigError where it isn't installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module("reasoning_gym")
    except ImportError:
        raise ConfigError("reasoning-gym isn't installed", hint=install("perpend[evals]")) from None


def problem(drawn: GymProblem) -> tuple[Any, dict[str, Any]]:
    """Its data set and itself. Raises BadRequest, ConfigError."""
    if drawn.task in REFUSED:
        raise BadRequest(f"the task {drawn.task!r} isn't used: {REFUSED[drawn.task]}", field="SUITE")
    if not 0 <= drawn.index < MOST:
        raise BadRequest(f"a seed has {MOST} problems of a task", hint="take another seed", field="--limit")
    with _quietly():
        dataset = _dataset(drawn.task, drawn.seed, drawn.level)
        return dataset, dataset[drawn.index]


@contextmanager
def _quietly() -> Generator[None, None, None]:
    """Some tasks print, some warn of answers in another form, and one sets how exact all decimals are: dollars too."""
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
