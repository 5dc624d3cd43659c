# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""Measure a model on fresh problems: accuracy with its interval, and thinking tokens, for each kind."""

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
"""Tokens that end a thought before it begins: barred as a reply's first token, they make a model think."""


def measure(
    model: Llama,
    curriculum: ProblemSource,
    *,
    seed: int,
    n: int,
    max_tokens: int,
    temperature: float,
    never_first: Sequence[int] = (),
) -> dict[str, Measured]:
    """By kind, and for `all`: one reply to each of `n` fresh problems of every kind, of `max_tokens` at most."""
    results: dict[str, Measured] = {}
    for kind in curriculum.kinds:
        problems = curriculum.fresh(seed, kind, n)
        generator = torch.Generator().manual_seed(seed)
        right = thinking = finished = 0
        for start in range(0, n, _AT_ONCE):
            batch = problems[start : start + _AT_ONCE]
            replies = sample(
                model,
                [prompt_of(problem.text) for problem in batch],
                max_tokens=max_tokens,
                temperature=temperature,
                generator=generator,
                never_first=never_first,
            )
            right += sum(int(reward(*pair)) for pair in zip(batch, replies, strict=True))
            parsed = [read_reply(reply) for reply in replies]
            thinking += sum(len(encode(thought)) for thought, _ in parsed)
            finished += sum(bool(answer) for _, answer in parsed)
        results[kind] = Measured(proportion(right, n), thinking / n, finished / n)
    return results | {"all": _pooled(list(results.values()))}


def _pooled(kinds: list[Measured]) -> Measured:
    """Over all kinds: each has the same number of problems, so a mean of means is the mean."""
    right, n = sum(kind.accuracy.right for kind in kinds), sum(kind.accuracy.n for kind in kinds)
    thinking = sum(kind.thinking for kind in kinds) / len(kinds)
    return Measured(proportion(right, n), thinking, sum(kind.finished for kind in kinds) / len(kinds))
