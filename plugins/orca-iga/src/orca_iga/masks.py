"""The masks, and what they are made of: the gradients G_k of one tensor in K domains.

Gbar = mean_k G_k,  V = mean_k (G_k - Gbar)^2,  M = exp(-tau V / s)

with s = 1 (the paper's words), the mean of V over the tensor, or Gbar^2 (V is then a squared coefficient of variation, whatever
the size of the gradients). All coordinate by coordinate.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

EPSILON = 1e-12
"""Added to what V is divided by."""


class Moments:
    """Mean, variance and signs of gradients that come one after the other, in 32 bits; three tensors, however many domains."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, gradient: Tensor) -> None:
        """Take in the gradient of one more domain (Welford's update: equal gradients have a variance of exactly 0)."""
        gradient = gradient.float()
        self.count += 1
        if self.count == 1:
            self.mean, self.signs = gradient.clone(), gradient.sign()
            self.squares = torch.zeros_like(gradient)
            return
        above = gradient - self.mean
        self.mean += above / self.count
        self.squares += above * (gradient - self.mean)
        self.signs += gradient.sign()

    @property
    def variance(self) -> Tensor:
        """V, the biased one."""
        return self.squares / self.count

    @property
    def agreement(self) -> Tensor:
        """How far the mean of the signs is from 0: 1 where all domains agree."""
        return self.signs.abs() / self.count


def conflict_mask(moments: Moments, tau: float, normaliser: Literal["snr", "tensor", "raw"]) -> Tensor:
    """``exp(-tau V / s)``, in [0, 1]."""
    variance = moments.variance
    if normaliser == "snr":
        variance = variance / (moments.mean.square() + EPSILON)
    elif normaliser == "tensor":
        variance = variance / (variance.mean() + EPSILON)
    return torch.exp(-tau * variance)


def and_mask(moments: Moments, agreement: float) -> Tensor:
    """1 where the signs agree so far, else 0 (AND-mask, arXiv 2009.00329, without its rescaling, which Adam would cancel)."""
    return (moments.agreement >= agreement).float()


def shuffled(mask: Tensor, seed: int) -> Tensor:
    """The same values, at other coordinates of the tensor: what a mask does by making steps smaller, wherever."""
    order = torch.randperm(mask.numel(), generator=torch.Generator().manual_seed(seed))
    return mask.flatten()[order.to(mask.device)].view_as(mask)


def low_rank(matrix: Tensor, rank: int) -> Tensor:
    """The nearest matrix of a rank (truncated singular value decomposition)."""
    left, values, right = torch.linalg.svd(matrix, full_matrices=False)
    near: Tensor = (left[:, :rank] * values[:rank]) @ right[:rank]
    return near


def pull_back(gradient: Tensor, a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The gradients of a LoRA layer's factors, ``W = W0 + scale B A``, that a gradient of ``W`` comes down to.

    Args:
        gradient: of ``W``, ``[out, in]``.
        a: ``[rank, in]``.
        b: ``[out, rank]``.
        scale: of the layer.

    Returns:
        ``dA = scale B^T G`` and ``dB = scale G A^T``.
    """
    return scale * (b.T @ gradient), scale * (gradient @ a.T)
