"""What a fit takes: steps, tokens, hours and memory on a list of machines. Arithmetic alone: torch is not imported.

FLOPs of training (forward and backward) per token: ``6 N`` for the weights in matrix products but the output layer, whose
``6 V h`` count for supervised tokens alone, and ``12 L q s`` for attention over a document of ``s`` tokens. Activation
checkpointing runs the layers forward once more: a third on top of ``N`` and attention. Hours are these FLOPs over the machine's
rate times the share of it that training is taken to reach: :data:`MFU`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from orca_core.errors import UserError
from orca_core.protocols import FitCost, FitEstimate
from orca_lightning.config import LightningConfig
from orca_lightning.costs.here import this_machine
from orca_lightning.costs.machines import GB, Machine, machine
from orca_lightning.costs.memory import memory, trained_parameters
from orca_lightning.costs.network import Network, starting_network

MFU: Final = 0.4
"""Model FLOPs utilisation that hours are reckoned with; the paper's 13B on A100s reached about 0.34."""
_TOKENS: Final = 300
"""Tokens of an example whose length nobody knows yet."""
_TARGETS: Final = 0.6
"""Share of the tokens that are supervised, likewise."""
_FILL: Final = 0.99


def estimate_fit(
    config: LightningConfig, examples: int, tokens: int | None, epochs: int, init: Path | None = None
) -> FitEstimate:
    """What a fit takes on the machines of the config, or on this one.

    Args:
        config: the student's.
        examples: at most so many.
        tokens: of all of them, None if their answers are not there yet.
        epochs: passes over them.
        init: the checkpoint that it starts from.

    Raises:
        UserError: an unknown machine in the config.
    """
    named = [machine(name, config.precision) for name in config.machines]
    try:
        network = starting_network(config, init)
        machines = named or [this_machine(config)]
    except UserError as unknown:
        return FitEstimate([], (str(unknown),))
    known = tokens if tokens is not None else examples * _TOKENS
    trained_on = config.token_budget or known * epochs
    each = known / max(examples, 1)
    rate = flops_per_token(network, each, lora=config.lora is not None, recomputed=config.activation_checkpointing)
    steps = -(-trained_on // round(config.batch_rows * config.max_length * _FILL))
    notes = [
        f"{steps:,} steps over {trained_on:,} tokens, {trained_parameters(config, network):,} of {network.parameters:,} "
        f"weights trained, {rate / 1e9:.4g} GFLOPs a token; hours at {MFU:.0%} of the machine's matrix-product rate"
    ]
    if tokens is None:
        notes.append(f"the answers are not there yet: {_TOKENS} tokens an example are a guess")
    return FitEstimate([_cost(config, network, m, trained_on * rate) for m in machines], tuple(notes))


def flops_per_token(network: Network, length: float, *, lora: bool = False, recomputed: bool = False) -> float:
    """FLOPs of training per token, in documents of ``length`` tokens.

    Frozen weights (``lora``) need no gradient of their own; with activation checkpointing (``recomputed``) layers are run forward
    twice.
    """
    passes = 2 if lora else 3  # of 2 FLOPs a weight: forward, gradients of inputs, gradients of weights
    again = int(recomputed)
    body = network.layers * network.layer_matrices
    head = network.vocabulary * network.hidden * _TARGETS
    attention = 4 * (3 + again) * network.layers * network.queries * length
    return 2 * (passes + again) * body + 2 * passes * head + attention


def _cost(config: LightningConfig, network: Network, machine: Machine, flops: float) -> FitCost:
    parts = memory(config, network, machine)
    return FitCost(
        machine=machine.name,
        memory_gb=sum(parts.values()) / GB,
        room_gb=machine.memory / GB,
        hours=flops / (MFU * machine.flops * machine.devices) / 3600,
        parts={name: size / GB for name, size in parts.items()},
    )
