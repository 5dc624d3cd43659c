"""Thoughts to learn from, imperfect on purpose: some too short, some with slips, some that check and repair.

A model that has seen only faultless full thoughts has nothing to gain from budget, votes, a second look or
reinforcement. This mixture leaves each of them its part.
"""

import random
from typing import NamedTuple

from perpend.data.hand import STEADY, Hand
from perpend.data.tasks.contract import Problem, kinds

CHECK = "check"
"""The line after which the work is done once more, with care."""


class Mixture(NamedTuple):
    """Shares of the styles, and of slipping steps."""

    direct: float = 0.20
    """No thought at all: the answer is guessed."""
    partial: float = 0.25
    """Broken off at any character; the answer is the right one, as far as that can be guessed."""
    full: float = 0.30
    """The whole work, once; the answer is what it came to, right or wrong."""
    checked: float = 0.25
    """The whole work, then again with care; the second answer counts."""
    slips: float = 0.08
    careful_slips: float = 0.01


IMPERFECT = Mixture()


class Thought(NamedTuple):
    text: str
    answer: str


def think(rng: random.Random, problem: Problem, mixture: Mixture) -> Thought:
    """One thought in a style drawn from the mixture."""
    work = kinds.get(problem.kind).work
    weights = (mixture.direct, mixture.partial, mixture.full, mixture.checked)
    (style,) = rng.choices(("direct", "partial", "full", "checked"), weights)
    if style == "direct":
        return Thought("", problem.gold)
    if style == "partial":
        whole, gold = work(problem.text, STEADY)
        text = "\n".join(whole)
        return Thought(text[: rng.randrange(1, len(text) + 1)].rstrip(), gold)
    lines, answer = work(problem.text, Hand(rng, mixture.slips))
    if style == "full":
        return Thought("\n".join(lines), answer)
    again, answer = work(problem.text, Hand(rng, mixture.careful_slips))
    return Thought("\n".join([*lines, CHECK, *again]), answer)
