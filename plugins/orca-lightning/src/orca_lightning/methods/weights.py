"""Weighted losses, and what tells whether weights do anything at all.

An adaptive optimizer divides by the size of the gradients it has seen, so a factor that all weights of a step share cancels;
only the relative weights within a step count. Hence the figures: the mean weight, how many targets the weights amount to
(Kish's effective sample size, ``(sum w)^2 / sum w^2``), and whose targets have which share of the sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def weighted_sum(losses: Tensor, weights: Tensor) -> Tensor:
    """``sum(w * l)`` over the targets, the weights being constants: no gradient flows through them.

    Args:
        losses: ``[targets]``.
        weights: ``[targets]``.
    """
    return (weights.detach() * losses).sum()


class WeightMeter:
    """Gathers the weights of a step over its micro-batches.

    Args:
        sources: names of where targets may come from, such as ``expert`` and ``own``.
    """

    def __init__(self, sources: Sequence[str]) -> None:
        self.sources = tuple(sources)
        self.clear()

    def clear(self) -> None:
        """Begin a new step."""
        self.count, self.squares = 0, 0.0
        self.mass = [0.0] * len(self.sources)

    def add(self, weights: Tensor, source: Tensor) -> None:
        """Count some targets.

        Args:
            weights: ``[targets]``.
            source: ``[targets]``: the number of its source; below 0, a target does not count.
        """
        kept = source >= 0
        known = weights.detach()[kept].double()
        self.count += int(kept.sum())
        self.squares += float(known.square().sum())
        mass = torch.zeros(len(self.sources), dtype=torch.float64, device=known.device)
        for i, value in enumerate(mass.index_add_(0, source[kept], known).tolist()):
            self.mass[i] += value

    def figures(self) -> dict[str, float]:
        """``weight_mean``, ``weight_effective`` (targets), ``weight_NAME``: the share of each source in the sum of weights."""
        total = sum(self.mass)
        shares = {
            f"weight_{name}": mass / total if total else 0.0 for name, mass in zip(self.sources, self.mass, strict=True)
        }
        effective = total**2 / self.squares if self.squares else 0.0
        return {"weight_mean": total / max(1, self.count), "weight_effective": effective, **shares}
