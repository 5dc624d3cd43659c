# pyright: basic, reportMissingImports=false
# torch comes with the extra `training`; types are checked where it isn't installed
"""A stage of training. Each step depends on the seed and its index alone, so a killed run can continue."""

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import nn

Row = dict[str, float]
"""A step's figures, for the log."""


class Stage(Protocol):
    name: str
    steps: int
    optimizers: list[torch.optim.Optimizer]

    def step(self, index: int) -> Row:
        """One update of the model."""
        ...


def adam(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """AdamW (arXiv:1711.05101) without weight decay. `rate`: the full learning rate."""
    return torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)


def muon_and_adam(model: nn.Module, muon_rate: float, adam_rate: float) -> list[torch.optim.Optimizer]:
    """Muon (arXiv:2502.16982) for the layers' matrices, Adam for the rest: fewer steps than Adam alone."""
    inner = {name: p.dim() == 2 and "embed" not in name for name, p in model.named_parameters()}
    matrices = [p for name, p in model.named_parameters() if inner[name]]
    others = [p for name, p in model.named_parameters() if not inner[name]]
    return [torch.optim.Muon(matrices, lr=muon_rate, weight_decay=0.01), adam(others, adam_rate)]


def warmup_then_decay(index: int, steps: int, warm: int) -> float:
    """Share of the full learning rate: it rises over `warm` steps, then falls linearly to a twentieth."""
    if index < warm:
        return (index + 1) / warm
    return 1 - 0.95 * (index - warm) / max(1, steps - warm)


def update(model: nn.Module, optimizers: list[torch.optim.Optimizer], share: float) -> float:
    """Apply the gradients, clipped to norm 1, at a share of the full learning rates; their norm before clipping."""
    norm = float(nn.utils.clip_grad_norm_(model.parameters(), 1.0))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = share * group.setdefault("full", group["lr"])
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return norm
