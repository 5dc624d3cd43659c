# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""The recipe: a cold start, then GRPO, with a measure after each (as DeepSeek-R1, arXiv:2501.12948, at a small scale).

A run is a folder. A run that was killed continues when it's started again, and ends in the same weights.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import Struct
from msgspec.structs import replace

from perpend.training.checkpoint import Checkpoint
from perpend.training.cold_start import ColdStart, ColdStartConfig
from perpend.training.contract import ProblemSource
from perpend.training.grpo import GRPO, GRPOConfig
from perpend.training.measure import THINKING_FORCED, measure
from perpend.training.model import Llama
from perpend.training.shape import ModelShape
from perpend.training.stage import Row, Stage
from perpend.training.tokenizer import SIZE

_SAVE_EVERY_S = 30.0
_MEASURES = {
    "cold_start": (
        ("sampled", 1.0, ()),
        ("greedy", 0.0, ()),
        ("sampled, thinking forced", 1.0, THINKING_FORCED),
        ("greedy, thinking forced", 0.0, THINKING_FORCED),
    ),
    "grpo": (("sampled", 1.0, ()), ("greedy", 0.0, ())),
}
"""Measures after each stage: name, temperature, and tokens that a reply can't begin with. Forced thinking is the
control.
"""
_WORK = {"cold_start": 1.0, "grpo": 6.0}
"""Time of a step, in steps of the cold start."""
_WORK_OF_REPLY = 0.02
"""Time of one reply of a measure, in the same unit."""


class Recipe(Struct, frozen=True):
    """All that the weights depend on, beside the curriculum."""

    seed: int = 1
    shape: ModelShape = ModelShape(SIZE)
    cold_start: ColdStartConfig = ColdStartConfig()
    grpo: GRPOConfig = GRPOConfig()
    problems: int = 1000
    """Fresh ones of each kind in a measure."""


def scaled(recipe: Recipe, share: float) -> Recipe:
    """The same recipe with a share of its steps and test problems."""

    def portion(count: int) -> int:
        return max(1, round(share * count))

    return replace(
        recipe,
        cold_start=replace(recipe.cold_start, steps=portion(recipe.cold_start.steps)),
        grpo=replace(recipe.grpo, steps=portion(recipe.grpo.steps)),
        problems=portion(recipe.problems),
    )


class TrainingProgress(Struct, frozen=True):
    stage: str
    done: int
    steps: int
    eta_s: float
    """Seconds until the end of the run."""
    row: Row


Listener = Callable[[TrainingProgress], None]


def train(
    recipe: Recipe, curriculum: ProblemSource, folder: Path, listener: Listener, *, threads: int = 0
) -> Llama:
    """Train a model, or continue. `folder` gets log.jsonl, checkpoint.pt, the weights after each stage, and
    measured.json.

    `threads`: 0 for as many as there are cores. Another number may round sums differently, and so give other weights.
    Raises ValueError where the folder holds a run of another recipe, OSError where it can't be written.
    """
    torch.set_num_threads(threads or len(os.sched_getaffinity(0)))
    folder.mkdir(parents=True, exist_ok=True)
    _same_recipe(recipe, folder / "recipe.json")
    torch.manual_seed(recipe.seed)
    model = Llama(recipe.shape)
    run = _Run(recipe, curriculum, folder, listener)
    checkpoint = run.checkpoint
    for stage in (
        ColdStart(model, curriculum, recipe.cold_start, recipe.seed),
        GRPO(model, curriculum, recipe.grpo, recipe.seed),
    ):
        first = checkpoint.restore(model, stage)
        if stage.name not in checkpoint.measured:
            run.do(model, stage, first)
            torch.save(model.state_dict(), folder / f"{stage.name}.pt")
            checkpoint.measured[stage.name] = run.measured(model, stage.name)
            run.save(model, stage, stage.steps)
    report = {"cpu_s": checkpoint.cpu_s, "wall_s": checkpoint.wall_s, "stages": checkpoint.measured}
    (folder / "measured.json").write_text(json.dumps(report, indent=2) + "\n")
    return model


def _same_recipe(recipe: Recipe, path: Path) -> None:
    encoded = msgspec.json.encode(recipe)
    if path.exists() and path.read_bytes() != encoded:
        raise ValueError(f"{path.parent} holds a run of another recipe: {path.read_text()}")
    path.write_bytes(encoded)


def _remaining(recipe: Recipe, kinds: int, checkpoint: Checkpoint) -> float:
    """The work that is still to do, in steps of the cold start."""
    remaining = 0.0
    for stage, steps in ((ColdStart.name, recipe.cold_start.steps), (GRPO.name, recipe.grpo.steps)):
        if stage in checkpoint.measured:
            continue
        done = checkpoint.step if stage == checkpoint.stage else 0
        remaining += (
            _WORK[stage] * (steps - done) + _WORK_OF_REPLY * len(_MEASURES[stage]) * kinds * recipe.problems
        )
    return remaining


class _Eta:
    """Estimates the seconds until the work is done from the time of the work so far."""

    def __init__(self, work: float) -> None:
        self._started_at = time.monotonic()
        self._remaining, self._done = work, 0.0

    def worked(self, work: float) -> None:
        self._done += work
        self._remaining -= work

    @property
    def seconds(self) -> float:
        spent = time.monotonic() - self._started_at
        return spent / self._done * max(0.0, self._remaining) if self._done else 0.0


class _Run:
    """Runs stages, and keeps log, checkpoints, time spent and progress."""

    def __init__(self, recipe: Recipe, curriculum: ProblemSource, folder: Path, listener: Listener) -> None:
        self.checkpoint = Checkpoint(folder / "checkpoint.pt")
        self._recipe = recipe
        self._curriculum = curriculum
        self._listener = listener
        self._log = folder / "log.jsonl"
        self._cpu, self._wall = time.process_time(), time.monotonic()
        self._saved_at = self._wall
        self._eta = _Eta(_remaining(recipe, len(curriculum.kinds), self.checkpoint))
        self._drop_repeated_lines()

    def do(self, model: Llama, stage: Stage, first: int) -> None:
        for index in range(first, stage.steps):
            row = stage.step(index)
            done = index + 1
            self._write({"stage": stage.name, "step": index, **row})
            self._eta.worked(_WORK[stage.name])
            self._listener(TrainingProgress(stage.name, done, stage.steps, self._eta.seconds, row))
            if time.monotonic() - self._saved_at >= _SAVE_EVERY_S or done == stage.steps:
                self.save(model, stage, done)

    def save(self, model: Llama, stage: Stage, step: int) -> None:
        cpu, wall = time.process_time(), time.monotonic()
        self.checkpoint.cpu_s += cpu - self._cpu
        self.checkpoint.wall_s += wall - self._wall
        self._cpu, self._wall, self._saved_at = cpu, wall, wall
        self.checkpoint.save(model, stage, step)

    def measured(self, model: Llama, stage: str) -> dict[str, Any]:
        """The stage's measures, by mode."""
        recipe = self._recipe
        modes: dict[str, Any] = {}
        for name, temperature, barred in _MEASURES[stage]:
            title = f"measuring {stage}: {name}"
            self._listener(TrainingProgress(title, 0, 1, self._eta.seconds, {}))
            results = measure(
                model,
                self._curriculum,
                seed=recipe.seed,
                n=recipe.problems,
                max_tokens=recipe.grpo.max_tokens,
                temperature=temperature,
                never_first=barred,
            )
            modes[name] = msgspec.to_builtins(results)
            whole = results["all"]
            row = {"accuracy": whole.accuracy.estimate, "thinking": whole.thinking}
            self._eta.worked(_WORK_OF_REPLY * whole.accuracy.n)
            self._listener(TrainingProgress(title, 1, 1, self._eta.seconds, row))
        return modes

    def _write(self, row: dict[str, Any]) -> None:
        spent = {"cpu_s": round(self.checkpoint.cpu_s + time.process_time() - self._cpu, 2)}
        with self._log.open("a") as log:
            log.write(json.dumps(row | spent) + "\n")

    def _drop_repeated_lines(self) -> None:
        """Remove the lines of steps after the checkpoint: those steps are done again."""
        if not self._log.exists():
            return
        kept: list[str] = []
        stages = [ColdStart.name, GRPO.name]
        reached = (
            (stages.index(self.checkpoint.stage), self.checkpoint.step) if self.checkpoint.stage else (0, 0)
        )
        for line in self._log.read_text().splitlines(keepends=True):
            row = json.loads(line) if line.endswith("}\n") else None
            if row and (stages.index(row["stage"]), row["step"]) < reached:
                kept.append(line)
        part = self._log.with_suffix(".new")
        part.write_text("".join(kept))
        os.replace(part, self._log)
