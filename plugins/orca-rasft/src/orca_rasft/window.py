"""Which problems get rollouts: those of middling difficulty, a middle that moves up as the policy gets better, and few hard ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from orca_rasft.config import Window

Floats = npt.NDArray[np.floating]


def shares(window: Window, difficulty: Floats, calibration: Floats, progress: float) -> Floats:
    """The probability with which each problem is rolled out, ``[problems]``.

    Args:
        window: which quantiles.
        difficulty: mean cross-entropy of the expert's answer under the current policy, ``[problems]``.
        calibration: the same of the problems that quantiles are taken from.
        progress: share of the training that is done.
    """
    low, high = (start + progress * (end - start) for start, end in zip(window.start, window.end, strict=True))
    bounds = np.quantile(calibration, [low, high, max(high, window.hard)])
    middle = (difficulty >= bounds[0]) & (difficulty <= bounds[1])
    hard = (difficulty > bounds[1]) & (difficulty <= bounds[2])
    return np.where(middle, window.share, np.where(hard, window.hard_share, 0.0))
