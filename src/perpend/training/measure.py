# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""How good a model is on fresh problems: accuracy with its interval, and how long it thinks, kind by kind."""

from collections.abc import Sequence

import torch

from perpend.statistics import proportion
from perpend.training.contract import ProblemSource
from perpend.training.figures import Measured
from perpend.training.grpo import reward
from perpend.training.model import Llama
from perpend.training.sampling import sample
from perpend.training.tokenizer import NEWLINE, THINK_END, encode, prompt_of, read_reply

_AT_ONCE = 256
THINKING_FORCED = (NEWLINE, THINK_END)
"""Tokens that end a thought before it begins: barred as first ones, they make a model think."""


def measure(
    model: Llama,
    curriculum: ProblemSource,
    *,
    seed: int,
    n: int,
    most: int,
    temperature: float,
    never_first: Sequence[int] = (),
) -> dict[str, Measured]:
    """By kind, and over `all`: one reply to each of `n` fresh problems of every kind."""
    found: dict[str, Measured] = {}
    for kind in curriculum.kinds:
        problems = curriculum.fresh(seed, kind, n)
        generator = torch.Generator().manual_seed(seed)
        right = thinking = finished = 0
        for start in range(0, n, _AT_ONCE):
            some = problems[start : start + _AT_ONCE]
            replies = sample(
                model,
                [prompt_of(problem.text) for problem in some],
                most=most,
                temperature=temperature,
                generator=generator,
                never_first=never_first,
            )
            right += sum(int(reward(*pair)) for pair in zip(some, replies, strict=True))
            read = [read_reply(reply) for reply in replies]
            thinking += sum(len(encode(thought)) for thought, _ in read)
            finished += sum(bool(answer) for _, answer in read)
        found[kind] = Measured(proportion(right, n), thinking / n, finished / n)
    return found | {"all": _together(list(found.values()))}


def _together(kinds: list[Measured]) -> Measured:
    """Every kind has the same number of problems, so means of means are means."""
    right, n = sum(kind.accuracy.right for kind in kinds), sum(kind.accuracy.n for kind in kinds)
    thinking = sum(kind.thinking for kind in kinds) / len(kinds)
    return Measured(proportion(right, n), thinking, sum(kind.finished for kind in kinds) / len(kinds))
