"""The losses as functions of what the model says of each target; sums, to be divided by the targets of the step.

``ce [targets]`` is the cross-entropy of each target under the policy, ``ref [targets]`` under the frozen start model. A target
belongs to the sequence ``owner [targets]``. Everything called a weight is a constant: no gradient flows through it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def sequence_ratios(ce: Tensor, ref: Tensor, owner: Tensor, count: int, clip: tuple[float, float]) -> Tensor:
    """``clip(exp(clamp(mean_t ce - mean_t ref, -20, 20)))`` of each sequence, ``[count]``.

    That is reference over policy, length-normalised.
    """
    sums = torch.zeros(count, dtype=ce.dtype, device=ce.device).index_add_(0, owner, (ce - ref).detach())
    lengths = torch.zeros_like(sums).index_add_(0, owner, torch.ones_like(sums[owner]))
    return (sums / lengths.clamp(min=1)).clamp(-20, 20).exp().clamp(*clip)


def rasft_weights(
    ce: Tensor, ref: Tensor, owner: Tensor, advantage: Tensor, *, clip: tuple[float, float], by_probability: bool
) -> Tensor:
    """RASFT's weight of each target, ``ratio * advantage * p``, ``[targets]`` (p only with ``by_probability``).

    Args:
        ce: see above.
        ref: see above.
        owner: see above.
        advantage: ``[sequences]``.
        clip: bounds of the ratio.
        by_probability: whether the probability of the target is a factor.
    """
    ratio = sequence_ratios(ce, ref, owner, len(advantage), clip)
    weights = (ratio * advantage)[owner]
    return (weights * dft_weights(ce) if by_probability else weights).detach()


def dft_weights(ce: Tensor) -> Tensor:
    """Dynamic Fine-Tuning's (arXiv 2508.05629): the probability of the target, ``[targets]``."""
    return torch.exp(-ce.detach())


def proximal_loss(ce: Tensor, old: Tensor, clip: float) -> Tensor:
    """Proximal SFT (arXiv 2508.17784): ``sum(-min(r, clip(r, 1 - e, 1 + e)))``, ``r`` being policy over old policy.

    As the advantage is 1 everywhere, only the upper bound acts: a target that became ``1 + e`` times as likely as at the
    beginning of the round has no gradient.
    """
    ratio = torch.exp(old - ce)
    return -torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)).sum()


def kl_divergence(logits: Tensor, reference: Tensor) -> Tensor:
    """``KL(policy || reference)`` at each target in nats, ``[targets]``, from logits ``[targets, vocabulary]``."""
    policy, other = logits.log_softmax(-1), reference.log_softmax(-1)
    return (policy.exp() * (policy - other)).sum(-1)
