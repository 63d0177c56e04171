"""What training leaves on disk: a resumable state while it runs, a Hugging Face directory when it is done.

Both are safetensors, never pickles, and both appear under their names only when they are whole.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor

from orca_lightning.network.model import Model
from orca_lightning.text.tokenizer import Tokenizer


def save_state(
    path: Path, model: Model, optimizer: torch.optim.Optimizer, facts: dict[str, int], *, write: bool = True
) -> None:
    """Save weights and optimizer state; ``facts`` (the step, sizes of other files) go into the same file.

    Every process of a sharded training takes part in gathering; the one told to ``write`` writes.
    """
    tensors = {}
    for name, parameter in model.named_parameters():
        tensors[f"model.{name}"] = _whole(parameter.detach())
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{key}.{name}"] = _whole(value)
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


def _whole(tensor: Tensor) -> Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).cpu().contiguous()


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    if isinstance(parameter, DTensor):
        return distribute_tensor(value.to(parameter.device), parameter.device_mesh, parameter.placements)
    return value.to(parameter.device)


def export(path: Path, model: Model, tokenizer: Tokenizer, weights: dict[str, Tensor] | None = None) -> None:
    """Write a directory that plain ``AutoModelForCausalLM`` and ``AutoTokenizer`` load, under its name when it is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    extra: dict[str, Any] = {"state_dict": weights} if weights is not None else {}
    model.save_pretrained(temporary, **extra)
    tokenizer.save_pretrained(temporary)
    for file in [*temporary.iterdir(), temporary]:
        descriptor = os.open(file, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    temporary.replace(path)


def whole_weights(model: Model) -> dict[str, Tensor]:
    """The model's whole weights, gathered from all processes."""
    return {name: _whole(value.detach()) for name, value in model.state_dict().items()}
