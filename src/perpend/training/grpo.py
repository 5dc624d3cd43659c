# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""Group-relative policy optimisation with a verifier's verdict as the only reward (DeepSeekMath, arXiv:2402.03300).

Each problem is tried by a group; a try's advantage is its reward less the group's mean. As in Dr. GRPO
(arXiv:2503.20783) nothing is divided by a group's spread or a reply's length, so long wrong thoughts aren't favoured.
Every batch is used for one update, so the tries come from the very policy that is updated: no ratio, no clipping.
"""

import random

import torch
from msgspec import Struct

from perpend.training.contract import ProblemSource, TrainingProblem
from perpend.training.model import Llama, reply_logprobs
from perpend.training.sampling import sample
from perpend.training.stage import Row, adam, update
from perpend.training.tokenizer import prompt_of, read_reply

_AT_ONCE = 64
"""Replies that go through the model together."""


class GRPOConfig(Struct, frozen=True):
    steps: int = 150
    problems: int = 32
    group: int = 8
    most: int = 224
    """Tokens of a reply at most."""
    rate: float = 1e-4
    warm: int = 10


class GRPO:
    name = "grpo"

    def __init__(self, model: Llama, curriculum: ProblemSource, config: GRPOConfig, seed: int) -> None:
        self.steps = config.steps
        self.optimizers = [adam(model.parameters(), config.rate)]
        self._model = model
        self._curriculum = curriculum
        self._config = config
        self._seed = seed

    def step(self, index: int) -> Row:
        config = self._config
        rng = random.Random(f"{self._seed} grpo {index}")
        problems = [self._curriculum.problem_to_try(rng) for _ in range(config.problems)]
        tries = [problem for problem in problems for _ in range(config.group)]
        prompts = [prompt_of(problem.text) for problem in tries]
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        replies = sample(self._model, prompts, most=config.most, generator=generator)
        rewards = torch.tensor([reward(*pair) for pair in zip(tries, replies, strict=True)])
        groups = rewards.view(config.problems, config.group)
        advantages = (groups - groups.mean(dim=1, keepdim=True)).flatten()
        self._backward(prompts, replies, advantages)
        length = update(self._model, self.optimizers, min(1.0, (index + 1) / config.warm))
        return {
            "reward": rewards.mean().item(),
            "mixed": (groups.std(dim=1) > 0).float().mean().item(),
            "tokens": sum(map(len, replies)) / len(replies),
            "gradient": length,
        }

    def _backward(self, prompts: list[list[int]], replies: list[list[int]], advantages: torch.Tensor) -> None:
        """Groups that all failed or all succeeded teach nothing and are left out."""
        telling = [index for index, advantage in enumerate(advantages.tolist()) if advantage]
        telling.sort(key=lambda index: len(prompts[index]) + len(replies[index]))
        for start in range(0, len(telling), _AT_ONCE):
            some = telling[start : start + _AT_ONCE]
            logprobs, _ = reply_logprobs(self._model, [prompts[i] for i in some], [replies[i] for i in some])
            gain = (logprobs.sum(dim=1) * advantages[some]).sum()
            (-gain / (len(replies) * self._config.most)).backward()


def reward(problem: TrainingProblem, reply: list[int]) -> float:
    """1 for an answer that the verifier accepts, 0 for another and for none."""
    _, answer = read_reply(reply)
    return float(bool(answer) and problem.solved_by(answer))
