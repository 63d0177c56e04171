"""Low-rank adapters beside frozen weights (LoRA, arXiv 2106.09685), by peft; in the end they are added to the weights.

``W' = W + alpha / rank * B A`` with ``A [rank, in]`` drawn at random and ``B [out, rank]`` zero at first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from orca_core.errors import UserError
from orca_lightning.config import Lora
from orca_lightning.network.model import Model
from orca_lightning.training.state import whole

_NAME = "default"


def add_adapters(model: Model, lora: Lora, seed: int) -> None:
    """Freeze the weights and put adapters beside its linear layers (all but the output layer, if none are named).

    Raises:
        UserError: peft is not installed, or no layer has a name that was given.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UserError("student.lora needs peft: pip install 'orca-lightning[lora]'") from None
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets) or "all-linear",
        task_type="CAUSAL_LM",
    )
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        names = sorted({name.split(".")[-1] for name, m in model.named_modules() if isinstance(m, nn.Linear)})
        raise UserError(f"student.lora.targets={list(lora.targets)}: {error}; linear layers: {names}") from error
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_adapter(name))
    reset_adapters(model, seed)


@torch.no_grad()
def reset_adapters(model: Model, seed: int) -> None:
    """Draw the adapters anew, as a function of seed and name alone; those without values yet are left out."""
    for name, parameter in model.named_parameters():
        if not is_adapter(name) or parameter.is_meta:
            continue
        drawn = torch.zeros(parameter.shape)
        if "lora_A" in name:
            generator = torch.Generator().manual_seed(_seed(seed, name))
            # as peft does: uniform within 1 / sqrt(in), which Kaiming's rule gives with a slope of sqrt(5)
            drawn.uniform_(-1, 1, generator=generator).div_(parameter.shape[1] ** 0.5)
        if isinstance(parameter, DTensor):
            drawn = distribute_tensor(
                drawn.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
            )
        parameter.copy_(drawn)


def _seed(seed: int, name: str) -> int:
    return int(np.random.SeedSequence([seed, *name.encode()]).generate_state(1)[0])


def is_adapter(name: str) -> bool:
    """Whether a parameter of this name belongs to an adapter."""
    return "lora_" in name


def plain_name(name: str) -> str:
    """The name of a weight in the model without adapters."""
    return name.replace(".base_layer.", ".")


@torch.no_grad()
def merged(model: Model) -> Iterator[tuple[str, Tensor]]:
    """The whole weights of the model without adapters, with what these add to them; one at a time, in main memory.

    A tied matrix comes once. All processes of a sharded training take part.
    """
    seen = set[int]()
    layers: dict[str, Any] = {
        f"{name}.base_layer.weight": module for name, module in model.named_modules() if hasattr(module, "lora_A")
    }
    for name, value in model.state_dict(keep_vars=True).items():
        if is_adapter(name) or _is_quantisation(name) or id(value) in seen:
            continue
        seen.add(id(value))
        tensor = whole(_dequantised(value))
        if name in layers:
            layer = layers[name]
            a, b = whole(layer.lora_A[_NAME].weight.detach()), whole(layer.lora_B[_NAME].weight.detach())
            delta = b.float() @ a.float() * layer.scaling[_NAME]
            tensor = tensor.float() + (delta.T if layer.fan_in_fan_out else delta)
        yield plain_name(name), tensor


def _is_quantisation(name: str) -> bool:
    """Whether an entry of a state dict is how a weight of 4 bits is to be read."""
    return any(
        part in name for part in (".weight.absmax", ".weight.quant_map", ".weight.nested_", ".weight.quant_state")
    )


def _dequantised(value: Tensor) -> Tensor:
    state = getattr(value, "quant_state", None)
    if state is None:
        return value.detach()
    from bitsandbytes.functional import dequantize_4bit

    full: Tensor = dequantize_4bit(value.data, state)
    return full
