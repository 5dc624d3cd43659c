# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""Group-relative policy optimisation with a verifier's verdict as the only reward (DeepSeekMath, arXiv:2402.03300).

Each problem has a group of attempts; an attempt's advantage is its reward less the group's mean. As in Dr. GRPO
(arXiv:2503.20783) nothing is divided by a group's spread or a reply's length, so long wrong thoughts aren't favoured.
Every batch is used for one update, so attempts are sampled from the policy that is updated: no ratio, no clipping.
"""

import random

import torch
from msgspec import Struct, field

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
    """Of a step."""
    group: int = 8
    """Attempts at each problem."""
    max_tokens: int = field(default=224, name="most")
    """Tokens of a reply at most; `most` in recipe.json."""
    rate: float = 1e-4
    """The full learning rate of Adam."""
    warm: int = 10
    """Steps over which the learning rate rises."""


class GRPO:
    """The stage: one update for each batch of attempts."""

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
        attempts = [problem for problem in problems for _ in range(config.group)]
        prompts = [prompt_of(problem.text) for problem in attempts]
        generator = torch.Generator().manual_seed(rng.getrandbits(62))
        replies = sample(self._model, prompts, max_tokens=config.max_tokens, generator=generator)
        rewards = torch.tensor([reward(*pair) for pair in zip(attempts, replies, strict=True)])
        groups = rewards.view(config.problems, config.group)
        advantages = (groups - groups.mean(dim=1, keepdim=True)).flatten()
        self._backward(prompts, replies, advantages)
        gradient_norm = update(self._model, self.optimizers, min(1.0, (index + 1) / config.warm))
        return {
            "reward": rewards.mean().item(),
            "mixed": (groups.std(dim=1) > 0).float().mean().item(),
            "tokens": sum(map(len, replies)) / len(replies),
            "gradient": gradient_norm,
        }

    def _backward(self, prompts: list[list[int]], replies: list[list[int]], advantages: torch.Tensor) -> None:
        """Accumulate gradients; groups with equal rewards have no advantage and are left out."""
        informative = [index for index, advantage in enumerate(advantages.tolist()) if advantage]
        informative.sort(key=lambda index: len(prompts[index]) + len(replies[index]))
        for start in range(0, len(informative), _AT_ONCE):
            batch = informative[start : start + _AT_ONCE]
            logprobs, _ = reply_logprobs(
                self._model, [prompts[i] for i in batch], [replies[i] for i in batch]
            )
            gain = (logprobs.sum(dim=1) * advantages[batch]).sum()
            (-gain / (len(replies) * self._config.max_tokens)).backward()


def reward(problem: TrainingProblem, reply: list[int]) -> float:
    """1 where the verifier accepts the reply's answer, 0 where it doesn't or there is none."""
    _, answer = read_reply(reply)
    return float(bool(answer) and problem.solved_by(answer))
