# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""The cold start: next-token training on worked examples, replies only (supervised fine-tuning from nothing)."""

import random

from msgspec import Struct

from perpend.training.contract import ProblemSource
from perpend.training.model import Llama, reply_logprobs
from perpend.training.stage import Row, muon_and_adam, update, warmup_then_decay
from perpend.training.tokenizer import prompt_of, reply_of

_BUCKET = 8
"""Batches that are drawn together and sorted by length, so that little padding is computed."""


Example = tuple[list[int], list[int]]
"""Tokens of prompt and reply."""


class ColdStartConfig(Struct, frozen=True):
    steps: int = 3000
    batch: int = 64
    """Worked examples of a step."""
    muon_rate: float = 0.02
    """The full learning rate of Muon."""
    adam_rate: float = 3e-3
    """The full learning rate of Adam."""
    warm: int = 30
    """Steps over which the learning rates rise."""


class ColdStart:
    """The stage: cross-entropy over the tokens of replies."""

    name = "cold_start"

    def __init__(self, model: Llama, curriculum: ProblemSource, config: ColdStartConfig, seed: int) -> None:
        self.steps = config.steps
        self.optimizers = muon_and_adam(model, config.muon_rate, config.adam_rate)
        self._model = model
        self._curriculum = curriculum
        self._config = config
        self._seed = seed
        self._latest_bucket: tuple[int, list[Example]] = (-1, [])

    def step(self, index: int) -> Row:
        prompts, replies = self._batch(index)
        logprobs, mask = reply_logprobs(self._model, prompts, replies)
        loss = -logprobs.sum() / mask.sum()
        loss.backward()
        share = warmup_then_decay(index, self.steps, self._config.warm)
        gradient_norm = update(self._model, self.optimizers, share)
        return {"loss": loss.item(), "gradient": gradient_norm}

    def _batch(self, index: int) -> tuple[list[list[int]], list[list[int]]]:
        """Prompts and replies of a step."""
        bucket, position = divmod(index, _BUCKET)
        if bucket != self._latest_bucket[0]:
            self._latest_bucket = (bucket, self._bucket(bucket))
        size = self._config.batch
        examples = self._latest_bucket[1][position * size : (position + 1) * size]
        return [prompt for prompt, _ in examples], [reply for _, reply in examples]

    def _bucket(self, bucket: int) -> list[Example]:
        """The examples of a bucket: those of a batch have similar lengths, and the batches' order is drawn."""
        rng = random.Random(f"{self._seed} cold start {bucket}")
        examples: list[Example] = []
        for _ in range(_BUCKET * self._config.batch):
            problem, thought = self._curriculum.worked_example(rng)
            examples.append((prompt_of(problem.text), reply_of(thought.text, thought.answer)))
        examples.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        size = self._config.batch
        order = rng.sample(range(_BUCKET), _BUCKET)
        return [
            example for position in order for example in examples[position * size : (position + 1) * size]
        ]
