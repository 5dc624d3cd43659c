"""Thoughts to learn from, imperfect on purpose: some too short, some with errors, some that check and repair.

A model that has seen only faultless full thoughts has nothing to gain from budget, votes, a second look or
reinforcement. This mixture leaves room for each of them to help.
"""

import random
from typing import NamedTuple

from perpend.data.error_injection import NO_ERRORS, ErrorInjector
from perpend.data.tasks.contract import TaskProblem, kinds

CHECK = "check"
"""The line after which the work is done once more, with care."""
_MOST_CHECKS = 2


class Mixture(NamedTuple):
    """A first draft in one of three styles, and maybe a second look, whatever the draft was."""

    direct: float = 0.12
    """Share of empty drafts: the answer is guessed."""
    partial: float = 0.18
    """Share of drafts broken off at any character; the answer is the right one, as far as that can be guessed."""
    checked: float = 0.35
    """Share that look again: all the work, with care, after which its answer counts. Some of them look once more."""
    error_rate: float = 0.08
    """Share of a draft's steps that come out wrong; the answer of a whole draft is what it came to."""
    careful_error_rate: float = 0.01


IMPERFECT = Mixture()


class WrittenThought(NamedTuple):
    text: str
    answer: str


def think(rng: random.Random, problem: TaskProblem, mixture: Mixture) -> WrittenThought:
    """A thought drawn from the mixture."""
    parts, answer = _draft(rng, problem, mixture)
    for _ in range(_MOST_CHECKS):
        if rng.random() >= mixture.checked:
            break
        lines, answer = kinds.get(problem.kind).work(
            problem.text, ErrorInjector(rng, mixture.careful_error_rate)
        )
        parts += [CHECK, *lines]
    return WrittenThought("\n".join(parts), answer)


def _draft(rng: random.Random, problem: TaskProblem, mixture: Mixture) -> tuple[list[str], str]:
    work = kinds.get(problem.kind).work
    style = rng.random()
    if style < mixture.direct:
        return [""], problem.gold
    if style < mixture.direct + mixture.partial:
        lines, gold = work(problem.text, NO_ERRORS)
        text = "\n".join(lines)
        return [text[: rng.randrange(1, len(text) + 1)].rstrip()], gold
    lines, answer = work(problem.text, ErrorInjector(rng, mixture.error_rate))
    return list(lines), answer
