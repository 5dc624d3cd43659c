# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""The cold start: next-token training on worked examples, replies only (supervised fine-tuning from nothing)."""

import random

from msgspec import Struct

from perpend.training.contract import ProblemSource
from perpend.training.model import Llama, reply_logprobs
from perpend.training.stage import Row, muon_and_adam, update, warm_then_down
from perpend.training.tokenizer import prompt_of, reply_of

_BUCKET = 8
"""Batches that are drawn together and sorted by length, so that little padding is computed."""


Example = tuple[list[int], list[int]]
"""Tokens of prompt and reply."""


class ColdStartConfig(Struct, frozen=True):
    steps: int = 3000
    batch: int = 64
    muon_rate: float = 0.02
    adam_rate: float = 3e-3
    warm: int = 30


class ColdStart:
    name = "cold_start"

    def __init__(self, model: Llama, curriculum: ProblemSource, config: ColdStartConfig, seed: int) -> None:
        self.steps = config.steps
        self.optimizers = muon_and_adam(model, config.muon_rate, config.adam_rate)
        self._model = model
        self._curriculum = curriculum
        self._config = config
        self._seed = seed
        self._drawn: tuple[int, list[Example]] = (-1, [])

    def step(self, index: int) -> Row:
        prompts, replies = self._batch(index)
        logprobs, mask = reply_logprobs(self._model, prompts, replies)
        loss = -logprobs.sum() / mask.sum()
        loss.backward()
        share = warm_then_down(index, self.steps, self._config.warm)
        length = update(self._model, self.optimizers, share)
        return {"loss": loss.item(), "gradient": length}

    def _batch(self, index: int) -> tuple[list[list[int]], list[list[int]]]:
        """One of a bucket's batches, in an order that doesn't go from short to long."""
        bucket, place = divmod(index, _BUCKET)
        if bucket != self._drawn[0]:
            self._drawn = (bucket, self._bucket(bucket))
        size = self._config.batch
        chosen = self._drawn[1][place * size : (place + 1) * size]
        return [prompt for prompt, _ in chosen], [reply for _, reply in chosen]

    def _bucket(self, bucket: int) -> list[Example]:
        """Its examples: each batch of about one length, the batches in any order."""
        rng = random.Random(f"{self._seed} cold start {bucket}")
        examples: list[Example] = []
        for _ in range(_BUCKET * self._config.batch):
            problem, thought = self._curriculum.worked_example(rng)
            examples.append((prompt_of(problem.text), reply_of(thought.text, thought.answer)))
        examples.sort(key=lambda pair: len(pair[0]) + len(pair[1]))
        size = self._config.batch
        order = rng.sample(range(_BUCKET), _BUCKET)
        return [example for place in order for example in examples[place * size : (place + 1) * size]]
