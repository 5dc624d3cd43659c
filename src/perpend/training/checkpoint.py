# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""A run's checkpoint: one file, replaced as a whole, from which a killed run continues."""

import os
from pathlib import Path
from typing import Any

import torch

from perpend.training.model import Llama
from perpend.training.stage import Stage


class Checkpoint:
    """`stage` and `step`: the next step to do. `cpu_s`, `wall_s`: seconds that all runs so far took."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stage = ""
        self.step = 0
        self.cpu_s = self.wall_s = 0.0
        self.measured: dict[str, Any] = {}
        self._weights: dict[str, Any] | None = None
        self._optimizers: list[dict[str, Any]] = []
        if path.exists():
            vars(self).update(torch.load(path, weights_only=True))

    def restore(self, model: Llama, stage: Stage) -> int:
        """Load weights and optimizers, and return the next step of `stage`."""
        if self._weights is not None:
            model.load_state_dict(self._weights)
        if self.stage != stage.name:
            return 0
        for optimizer, state in zip(stage.optimizers, self._optimizers, strict=True):
            optimizer.load_state_dict(state)
        return self.step

    def save(self, model: Llama, stage: Stage, step: int) -> None:
        """Replace the file. `step`: the next one of `stage`. Raises OSError where it can't be written."""
        self.stage, self.step = stage.name, step
        self._weights = model.state_dict()
        self._optimizers = [optimizer.state_dict() for optimizer in stage.optimizers]
        part = self.path.with_suffix(".new")
        torch.save({key: value for key, value in vars(self).items() if key != "path"}, part)
        os.replace(part, self.path)
