"""Sharding the model over several devices (FSDP2), without any process ever holding all of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import CPUOffloadPolicy, MixedPrecisionPolicy, OffloadPolicy, fully_shard

from orca_lightning.config import LightningConfig
from orca_lightning.network.loss import ResponseLoss
from orca_lightning.network.model import Model, decoder_layers
from orca_lightning.training.loading import load_sharded


class ShardedStrategy(ModelParallelStrategy):
    """Lightning's strategy: parameters, gradients and optimizer state sharded over all processes of all machines."""

    def __init__(self, config: LightningConfig) -> None:
        backend = "cuda:nccl,cpu:gloo" if torch.cuda.is_available() else "gloo"
        size = config.devices * config.nodes
        super().__init__(data_parallel_size=size, tensor_parallel_size=1, process_group_backend=backend)
        self.offload = config.cpu_offload

    def model_to_device(self) -> None:
        if not self.offload:  # shards that wait in main memory stay there
            super().model_to_device()


def shard(loss: ResponseLoss, mesh: DeviceMesh, config: LightningConfig) -> None:
    """Shard every decoder layer, then the rest (embedding, head: they may be one matrix), over ``mesh``.

    With ``bf16-mixed`` the shards, their gradients and the optimizer stay float32; a layer computes in bfloat16. With
    ``bf16-true`` the shards are bfloat16; gradients are still summed over the processes in float32.
    """
    low = config.precision != "32-true"
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if low else None, reduce_dtype=torch.float32 if low else None
    )
    offload = CPUOffloadPolicy(pin_memory=torch.cuda.is_available()) if config.cpu_offload else OffloadPolicy()
    options: dict[str, Any] = {"mesh": mesh, "mp_policy": policy, "offload_policy": offload}
    for layer in decoder_layers(loss.model):
        fully_shard(layer, **options)
    fully_shard(loss, **options)


@torch.no_grad()
def materialise(model: Model, weights: Path, device: torch.device, *, offload: bool) -> None:
    """Give a sharded model without values its memory and its weights; each process reads its shards alone.

    Args:
        model: sharded, its parameters on the meta device, its buffers in main memory.
        weights: a directory of safetensors.
        device: of this process.
        offload: the shards wait in main memory.

    Raises:
        UserError: as for :func:`orca_lightning.training.loading.load_sharded`.
    """
    home = torch.device("cpu") if offload else device
    model._apply(lambda t: torch.empty_like(t, device=home) if t.is_meta else t.to(device))
    model.tie_weights()
    load_sharded(model, weights)
