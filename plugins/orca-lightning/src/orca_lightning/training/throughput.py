"""What a training does per second, and how much of the machine that is.

Model FLOPs utilisation (Chowdhery et al. 2022, appendix B) is the share of the machine's measured matrix-product rate that the
model's own arithmetic takes: ``6 N`` FLOPs per token for ``N`` parameters in matrix products, plus ``12 L H s`` for attention
in ``L`` layers of width ``H`` over ``s`` tokens. Here ``s`` is the document's own length, as packed documents do not see each
other; what is recomputed and what is padding do not count. The output layer, and of a LLaMA what follows attention in the last layer,
count for supervised tokens alone.
"""

from __future__ import annotations

import time
from typing import Any

import torch

from orca_lightning.config import LightningConfig
from orca_lightning.network.lean import narrows
from orca_lightning.network.model import Model, parameters
from orca_lightning.training.steps import Step


def matmul_peak(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.15) -> float:
    """FLOPs per second of square matrix products, measured for a moment."""
    size = 8192 if device.type == "cuda" else 768
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or not best:
        _wait(device)
        start = time.perf_counter()
        a @ b
        _wait(device)
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Flops:
    """The arithmetic of a model's training step."""

    def __init__(self, model: Model) -> None:
        config = model.config
        head = model.get_output_embeddings().weight.numel()
        tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
        embedding = 0 if tied else model.get_input_embeddings().weight.numel()
        late = 0
        if narrows(model):
            last: Any = model.get_decoder().layers[-1]
            late = parameters(last.mlp) + parameters(last.self_attn.o_proj)
        self.body, self.late, self.head = parameters(model) - head - embedding - late, late, head
        self.attention = 12 * config.num_hidden_layers * config.hidden_size

    def __call__(self, step: Step) -> float:
        """FLOPs of a whole step, forward and backward, over all processes."""
        late = self.late + self.head
        return float(6 * self.body * step.tokens + 6 * late * step.targets + self.attention * step.square)


class Speed:
    """Live figures: useful tokens per second, and the share of the machine's matrix-product rate (MFU).

    Args:
        model: in training, wherever it lies.
        config: says in which numbers it computes.
        trainer: Lightning's.
    """

    def __init__(self, model: Model, config: LightningConfig, trainer: Any) -> None:
        low = config.precision != "32-true" or config.matmul == "medium"
        dtype = torch.bfloat16 if low else torch.float32
        self.flops = Flops(model)
        self.peak = matmul_peak(trainer.strategy.root_device, dtype) * trainer.world_size
        self.last = time.perf_counter()

    def __call__(self, step: Step) -> dict[str, float]:
        """The figures of the step that has just ended."""
        now = time.perf_counter()
        seconds, self.last = now - self.last, now
        return {"tokens_per_s": step.tokens / seconds, "mfu": self.flops(step) / seconds / self.peak}
