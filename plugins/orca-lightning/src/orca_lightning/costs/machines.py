"""Machines by name (``8xA100-80GB``), and what their cards can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from orca_core.errors import UserError, did_you_mean

GB: Final = 1e9


@dataclass(frozen=True)
class Card:
    """One accelerator. ``tflops``: dense matrix products in bfloat16; ``tflops_32``: of float32 numbers at full precision."""

    tflops: float
    tflops_32: float


CARDS: Final = {
    "A10": Card(125, 31.2),
    "A100": Card(312, 19.5),
    "A40": Card(150, 37.4),
    "A6000": Card(155, 38.7),
    "B200": Card(2250, 75),
    "H100": Card(989, 67),
    "H200": Card(989, 67),
    "L4": Card(121, 30.3),
    "L40S": Card(362, 91.6),
    "MI300X": Card(1307, 163),
    "RTX3090": Card(71, 35.6),
    "RTX4090": Card(165, 82.6),
    "T4": Card(65, 8.1),
}
"""From the makers' data sheets, without sparsity."""


@dataclass(frozen=True)
class Machine:
    """Devices that train together."""

    name: str
    devices: int
    memory: float
    """Bytes of one device."""
    flops: float
    """Of one device, a second, in the numbers that the training multiplies in."""
    is_cpu: bool = False
    measured: bool = False
    """Whether ``flops`` were measured here rather than read from a data sheet."""


def machine(name: str, precision: str) -> Machine:
    """The machine of a name like ``20xA100-80GB``: how many, which card, how many GB (1e9 bytes) each.

    A card named 80GB has 79 GiB, which are 85e9 bytes; the difference is what CUDA, NCCL and fragmentation take.

    Raises:
        UserError: not such a name, or an unknown card.
    """
    found = re.fullmatch(r"(\d+)x([A-Za-z0-9]+)-(\d+)GB", name)
    if found is None or not int(found[1]):
        raise UserError(f"student.machines: '{name}' is not of the form 8xA100-80GB (how many, which card, GB of each)")
    card = CARDS.get(found[2].upper())
    if card is None:
        raise UserError(f"student.machines: unknown card '{found[2]}'{did_you_mean(found[2].upper(), CARDS)}")
    tflops = card.tflops_32 if precision == "32-true" else card.tflops
    return Machine(name, int(found[1]), int(found[3]) * GB, tflops * 1e12)
