"""A process reward from a general model: it gives the probability that each step of a solution is right.

The prompts of one solution share a prefix, so a server with a prefix cache reads each step once.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta

from perpend.types import Candidate, Message, Verdict
from perpend.verifiers.contract import Task, Verifier, verifiers
from perpend.verifiers.quoting import SYSTEM, quoted
from perpend.verifiers.steps import steps

Aggregate = Literal["min", "product", "last", "mean"]
_MAX_STEPS = 32
_MAX_STEP_CHARS = 200
"""Of a wrong step, in feedback."""


class ProcessReward(Verifier):
    """The score is the `aggregate` of the steps' probabilities of being right (Lightman et al. 2023 multiply,
    Wang et al. 2024, "Math-Shepherd", take the smallest); it passes at `threshold`.
    """

    rates_thoughts = True
    needs_model = True

    def __init__(
        self,
        *,
        model: str = "",
        aggregate: Aggregate = "min",
        threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5,
    ) -> None:
        """`model`: the judge, by default the model that answered. `threshold`: the least passing score."""
        self.judge_model = model
        self._aggregate: Aggregate = aggregate
        self._threshold = threshold

    async def verify(self, task: Task, candidate: Candidate) -> Verdict:
        parts = steps(f"{candidate.thinking}\n\n{candidate.answer}".strip(), _MAX_STEPS)
        if not parts:
            return Verdict(0.0, False, "there are no steps to check")
        rewards = await self.rewards(task, parts)
        score = aggregate_rewards(rewards, self._aggregate)
        if score >= self._threshold:
            return Verdict(score, True)
        worst = next(
            (at for at, one in enumerate(rewards) if one < self._threshold), rewards.index(min(rewards))
        )
        return Verdict(score, False, f"step {worst + 1} is probably wrong: {_shortened(parts[worst])}")

    async def rewards(self, task: Task, parts: Sequence[str]) -> list[float]:
        """The probability that each step is right, given those before it. Raises CapReached and BadRequest."""
        judge = task.required_model.on(self.judge_model) if self.judge_model else task.required_model
        probabilities = [
            await judge.probabilities(_prompt(task.question, parts[: count + 1]), ("Yes", "No"))
            for count in range(len(parts))
        ]
        return [one["Yes"] for one in probabilities]


def _prompt(question: str, parts: Sequence[str]) -> list[Message]:
    """What differs between the prompts of one solution stands at the end."""
    solution = "\n".join(quoted("step", part) for part in parts)
    request = "Is the last of these steps right? Reply with Yes or No."
    return [SYSTEM, Message("user", f"{quoted('problem', question)}\n\n{solution}\n\n{request}")]


def aggregate_rewards(rewards: Sequence[float], how: Aggregate) -> float:
    """The score of a whole solution, from 0 to 1; `rewards` isn't empty."""
    match how:
        case "min":
            return min(rewards)
        case "product":
            return math.prod(rewards)
        case "last":
            return rewards[-1]
        case "mean":
            return math.fsum(rewards) / len(rewards)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_STEP_CHARS else f"{text[:_MAX_STEP_CHARS]} …"


verifiers.register("process_reward")(ProcessReward)
