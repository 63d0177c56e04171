"""GRPO's advantages and DAPO's loss as functions of rewards and of what the model says of each token.

``ce [targets]`` is the cross-entropy of each token of an answer under the policy, so ``-ce`` is its log-probability.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Floats = npt.NDArray[np.floating]
_EXPONENT = 20.0
"""Log-ratios are bounded by this, so that no ratio is infinite."""


def group_advantages(rewards: Floats) -> Floats:
    """``(r - mean) / (std + 1e-6)`` within each group (arXiv 2402.03300, 4.1.2), ``[groups, answers]``; 0 where all are equal.

    The standard deviation is that of a sample, as in the released trainer (verl).
    """
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    return np.asarray(centred / (rewards.std(axis=1, ddof=1, keepdims=True) + 1e-6))


def clipped_loss(ce: Tensor, old: Tensor, advantage: Tensor, clip: tuple[float, float]) -> tuple[Tensor, Tensor]:
    """``-sum(min(r A, clip(r, 1 - low, 1 + high) A))`` (arXiv 2503.14476, 3.1), and which targets are clipped.

    A clipped target has no gradient: its probability has moved as far as counts, in the direction of its advantage.

    Args:
        ce: see above.
        old: log-probability of each token when it was drawn, ``[targets]``.
        advantage: of each token's answer, ``[targets]``.
        clip: (low, high).
    """
    ratio = (-ce - old).clamp(-_EXPONENT, _EXPONENT).exp()
    free = ratio * advantage
    bounded = ratio.clamp(1 - clip[0], 1 + clip[1]) * advantage
    return -torch.minimum(free, bounded).sum(), (bounded < free).detach()


def kl_estimate(ce: Tensor, reference: Tensor) -> Tensor:
    """``exp(d) - d - 1`` with ``d = log p_reference - log p`` of each token, ``[targets]`` (arXiv 2402.03300, equation 4).

    Never negative; on tokens that the policy drew, its mean is KL(policy || reference).

    Args:
        ce: see above.
        reference: the same under the reference.
    """
    d = (ce - reference).clamp(-_EXPONENT, _EXPONENT)
    return d.exp() - d - 1
