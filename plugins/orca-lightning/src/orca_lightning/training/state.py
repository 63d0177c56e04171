"""The state of a training on disk, to resume from. It appears under its name only when it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from orca_lightning.network.model import Model


def save_state(
    path: Path, model: Model, optimizer: torch.optim.Optimizer, facts: dict[str, int], *, write: bool = True
) -> None:
    """Save weights and optimizer state; ``facts`` (the step, sizes of other files) go into the same file.

    Every process of a sharded training takes part in gathering; the one told to ``write`` writes.
    """
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = whole(parameter.detach())
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{key}.{name}"] = whole(value)
    if not write:
        return
    temporary = path.with_name(f".{path.name}.tmp")
    save_file(tensors, temporary, {key: str(value) for key, value in facts.items()})
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.replace(path)


def read_facts(path: Path) -> dict[str, int]:
    """The facts saved with a state, none if there is no state."""
    if not path.exists():
        return {}
    with safe_open(path, "pt") as file:
        return {key: int(value) for key, value in (file.metadata() or {}).items()}


@torch.no_grad()
def restore_state(path: Path, model: Model, optimizer: torch.optim.Optimizer) -> None:
    """Put a saved state back, also onto another number of processes than saved it."""
    with safe_open(path, "pt") as file:
        keys = set(file.keys())
        for name, parameter in model.named_parameters():
            parameter.copy_(_like(file.get_tensor(f"model.{name}"), parameter))
            suffix = f".{name}"
            for key in sorted(k for k in keys if k.startswith("optimizer.") and k.endswith(suffix)):
                slot = key.removeprefix("optimizer.").removesuffix(suffix)
                if "." not in slot:
                    value = file.get_tensor(key)
                    optimizer.state[parameter][slot] = _like(value, parameter) if value.ndim else value


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor that may be sharded, in main memory."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    if isinstance(parameter, DTensor):
        return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
    return value.to(parameter.device)
