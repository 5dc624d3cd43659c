# pyright: basic, reportMissingImports=false
"""A recipe of seconds, for tests: `python tiny_recipe.py FOLDER [STEPS]` is killed by itself after so many steps."""

import os
import signal
import sys
from pathlib import Path

from perpend.data.curriculum import Curriculum
from perpend.training import recipe as recipes
from perpend.training.cold_start import ColdStartConfig
from perpend.training.grpo import GRPOConfig
from perpend.training.model import Llama
from perpend.training.shape import ModelShape
from perpend.training.tokenizer import SIZE

RECIPE = recipes.Recipe(
    seed=3,
    shape=ModelShape(SIZE, layers=1, width=16, heads=2, hidden=32),
    cold_start=ColdStartConfig(steps=5, batch=4),
    grpo=GRPOConfig(steps=3, problems=2, group=4, max_tokens=12),
    problems=3,
)


def run(folder: Path, killed_after: int | None = None) -> Llama:
    done = 0

    def listen(progress: recipes.TrainingProgress) -> None:
        nonlocal done
        done += progress.stage in ("cold_start", "grpo")
        if done == killed_after:
            os.kill(os.getpid(), signal.SIGKILL)

    return recipes.train(RECIPE, Curriculum(), folder, listen, threads=1)


if __name__ == "__main__":
    recipes._SAVE_EVERY_S = 0.0  # pyright: ignore[reportPrivateUsage]
    run(Path(sys.argv[1]), int(sys.argv[2]))
