"""The optimizer and the learning rate's course: the rate is a pure function of the step, so nothing has to be resumed."""

from __future__ import annotations

import math
from typing import Any

import torch

from orca_core.errors import UserError
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


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use a learning rate from the next step on; torchao keeps it as a tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def adamw(model: torch.nn.Module, config: LightningConfig) -> torch.optim.Optimizer:
    """AdamW (arXiv 1711.05101) over what is trained, with weight decay on matrices alone.

    Moments are in 32 bits, or blockwise in 8 (arXiv 2110.02861); weights in bfloat16 are rounded stochastically, as most
    steps of fine-tuning are smaller than half the distance between two of its numbers.

    Raises:
        UserError: torchao, which 8 bits and bfloat16 weights need, is not installed.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    low = config.precision == "bf16-true"
    if config.optimizer == "adamw" and not low:
        return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
    kind: Any = getattr(_torchao(), "AdamW8bit" if config.optimizer == "adamw-8bit" else "_AdamW")
    made: torch.optim.Optimizer = kind(groups, lr=config.learning_rate, betas=config.betas, bf16_stochastic_round=low)
    return made


def _torchao() -> Any:
    try:
        import torchao.optim
    except ImportError:
        raise UserError(
            "student.optimizer=adamw-8bit and student.precision=bf16-true need torchao: pip install 'orca-lightning[lowbit]'"
        ) from None
    return torchao.optim
