"""Sharding the model over several devices (FSDP2)."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from orca_lightning.network.loss import ResponseLoss


def strategy(devices: int) -> Any:
    """Lightning's strategy: parameters, gradients and optimizer state sharded over all processes."""
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    return ModelParallelStrategy(data_parallel_size=devices, tensor_parallel_size=1, process_group_backend=backend)


def shard(loss: ResponseLoss, mesh: DeviceMesh, precision: str) -> None:
    """Shard every decoder layer, then the rest (embedding, head: they may be one matrix), over ``mesh``.

    With ``bf16-mixed`` the shards, their gradients and the optimizer stay float32; a layer computes in bfloat16.
    """
    dtype = torch.bfloat16 if precision == "bf16-mixed" else None
    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32 if dtype else None, output_dtype=None)
    for layer in loss.model.get_decoder().layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(loss, mesh=mesh, mp_policy=policy)
