"""The optimizer and the learning rate's course: the rate is a pure function of the step, so nothing has to be resumed."""

from __future__ import annotations

import math
from typing import Any

import torch

from orca_lightning.config import LightningConfig


def learning_rate(config: LightningConfig, step: int, steps: int) -> float:
    """The rate of step ``step`` (from 0) of ``steps``: a linear warm-up, then the schedule down to ``final_ratio``."""
    warmup = round(config.warmup_ratio * steps)
    if step < warmup:
        return config.learning_rate * (step + 1) / (warmup + 1)
    if config.schedule == "constant":
        return config.learning_rate
    done = (step - warmup) / max(1, steps - warmup)
    share = 1 - done if config.schedule == "linear" else (1 + math.cos(math.pi * done)) / 2
    return config.learning_rate * (config.final_ratio + (1 - config.final_ratio) * share)


def adamw(model: torch.nn.Module, config: LightningConfig) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices alone."""
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in model.parameters() if p.requires_grad and p.ndim >= 2],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in model.parameters() if p.requires_grad and p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
