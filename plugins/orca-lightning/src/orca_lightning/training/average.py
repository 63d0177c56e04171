"""An exponential moving average of the weights (Polyak and Juditsky 1992), which can take their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from orca_lightning.network.model import Model

Average = dict[str, Tensor]
"""By the name of the parameter, in float32, placed and sharded as it is."""


def begin(model: Model) -> Average:
    """The average before the first step: the weights themselves."""
    return {name: p.detach().float().clone() for name, p in model.named_parameters() if p.requires_grad}


@torch.no_grad()
def update(average: Average, model: Model, decay: float, step: int) -> None:
    """After step ``step`` (from 1): ``average = d * average + (1 - d) * weights``, ``d = min(decay, (1 + step) / (10 + step))``.

    The smaller decay of the first steps keeps the weights before training from outliving a short one.
    """
    d = min(decay, (1 + step) / (10 + step))
    for name, parameter in model.named_parameters():
        if name in average:
            average[name].lerp_(parameter.detach().float(), 1 - d)


@contextmanager
@torch.no_grad()
def in_place(average: Average | None, model: Model) -> Iterator[None]:
    """The average in place of the weights for a while; without one, the weights as they are."""
    if average is None:
        yield
        return
    own = {name: p.detach().clone() for name, p in model.named_parameters() if name in average}
    _put(model, average)
    try:
        yield
    finally:
        _put(model, own)


@torch.no_grad()
def _put(model: Model, values: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in values:
            parameter.copy_(values[name])
