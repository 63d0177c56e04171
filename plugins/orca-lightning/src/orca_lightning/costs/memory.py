"""The memory that training takes on each device, as a sum of parts that can be said beforehand.

With ``N`` weights of which ``T`` are trained, over ``W`` devices, ``b`` bytes a number (4; 2 in bf16-true) and ``c`` bytes of
what is computed with (2 in bf16-mixed, else ``b``)::

    weights        b N / W          0.55 N in 4 bits with their scales
    gradients      b T / W
    optimizer      8 T / W          moments of 32 bits; 2 b T / W in bf16-true; 2.06 T / W in 8 bits
    average        4 T / W          (ema)
    unsharded      c (embedding and output layer + 2 layers) + 4 (1 layer of gradients), W > 1
    activations    per token and layer: c (4 h + 3 q + 2 k + 3 f), with recomputation c h, and one layer of them whole; 2 f
                   where a CPU makes the gated product anew (:mod:`orca_lightning.network.lean`)
    loss           512 targets of logits and their gradient: 8 x 512 V, and the output layer's gradient in the making: 4 V h
    process        libraries in main memory on a CPU; CUDA's context and NCCL's buffers on a GPU

where ``h``, ``q``, ``k``, ``f`` and ``V`` are the widths of the residual stream, queries, keys, feed-forward layer and
vocabulary. What is sharded waits in main memory with ``cpu_offload``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orca_core.errors import UserError
from orca_lightning.config import LightningConfig
from orca_lightning.costs.machines import GB, Machine
from orca_lightning.costs.network import Network

LIBRARIES: Final = 0.62 * GB
"""Resident memory of a training process on a CPU before its model: torch, transformers and Lightning (measured)."""
CONTEXT: Final = 1.2 * GB
"""What CUDA, cuBLAS and NCCL take of a GPU."""
_CHUNK: Final = 512


def memory(config: LightningConfig, network: Network, machine: Machine) -> Mapping[str, float]:
    """Bytes on each device of a machine, by what they are for, at the peak of a step."""
    b = 2 if config.precision == "bf16-true" else 4
    c = 2 if config.precision != "32-true" and not machine.is_cpu else b
    devices = machine.devices
    trained = trained_parameters(config, network)
    moments = 2.06 if config.optimizer == "adamw-8bit" else (2 * b if b == 2 else 8)
    stored = 0.55 if config.lora is not None and config.lora.quantize else b
    sharded = {
        "weights": stored * network.parameters / devices,
        "gradients": b * trained / devices,
        "optimizer": moments * trained / devices,
        "average": (4 * trained / devices) if config.ema is not None else 0.0,
    }
    tokens = config.micro_rows * config.max_length
    # see orca_lightning.network.products.is_product
    remade = machine.is_cpu and config.precision == "32-true" and config.matmul == "highest" and config.lora is None
    unsharded = c * (network.vocabulary_parameters + 2 * network.layer_parameters) + 4 * network.layer_parameters
    parts = {
        **({} if config.cpu_offload else sharded),
        "unsharded": float(unsharded) if devices > 1 else 0.0,
        "activations": c * tokens * activations(config, network, remade=remade),
        "loss": 8.0 * _CHUNK * network.vocabulary + 4.0 * network.vocabulary * network.hidden,
        "process": LIBRARIES if machine.is_cpu else CONTEXT,
    }
    return {name: size for name, size in parts.items() if size}


def activations(config: LightningConfig, network: Network, *, remade: bool) -> float:
    """Numbers per token that the forward pass keeps for the backward pass; with ``remade``, the gated product is not among them."""
    h, q, k, f = network.hidden, network.queries, network.keys, network.intermediate
    layer = 4 * h + 3 * q + 2 * k + (2 if remade and network.lean else 3) * f
    if not network.lean:
        layer += 4 * h + 2 * f  # transformers' own norms and gates keep their inputs as well
    if config.activation_checkpointing:
        return network.layers * h + layer
    return float(network.layers * layer)


def trained_parameters(config: LightningConfig, network: Network) -> int:
    """How many weights are trained: all, or those of the adapters (on the named linear layers, else all but the output layer)."""
    if config.lora is None:
        return network.parameters
    h, q, k, f = network.hidden, network.queries, network.keys, network.intermediate
    widths = {"q_proj": h + q, "k_proj": h + k, "v_proj": h + k, "o_proj": q + h}
    widths |= {"gate_proj": h + f, "up_proj": h + f, "down_proj": f + h}
    chosen = config.lora.targets or tuple(widths)
    return config.lora.rank * sum(widths.get(name, 0) for name in chosen) * network.layers


def check(config: LightningConfig, network: Network, machine: Machine) -> None:
    """Refuse a training that will not fit into what is free, before it begins.

    Raises:
        UserError: it says by how much, and what takes less.
    """
    parts = memory(config, network, machine)
    wanted = sum(parts.values())
    if wanted <= machine.memory:
        return
    largest = max(parts, key=lambda name: parts[name])
    raise UserError(
        f"training will take about {wanted / GB:.1f} GB of each device's memory, of which {machine.memory / GB:.1f} GB are "
        f"free ({machine.name}); most of it goes into {largest} ({parts[largest] / GB:.1f} GB). {_advice(config)}"
    )


def _advice(config: LightningConfig) -> str:
    options = [
        ("student.micro_rows=1", config.micro_rows > 1),
        ("student.activation_checkpointing=true", not config.activation_checkpointing),
        ("student.optimizer=adamw-8bit", config.optimizer != "adamw-8bit"),
        ("student.precision=bf16-true", config.precision != "bf16-true"),
        ("student.lora.rank=16", config.lora is None),
        ("more devices with student.strategy=fsdp", True),
    ]
    return f"What takes less: {', '.join(name for name, helps in options if helps)}"
