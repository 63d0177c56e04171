"""How the cost of learning grows with depth: T ~ c * D^gamma (arXiv 2605.06638), with its uncertainty.

T(D) is the first optimizer step at which held-out accuracy reaches a threshold. A run that never reaches it is censored: NaN.
Censored runs are left out and counted. They are the slow ones, so leaving them out makes gamma look smaller than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, nan
from typing import Any, Final

import numpy as np
import numpy.typing as npt

THRESHOLD: Final = 0.9
"""The released stopping rule: 90 % validation accuracy."""
DRAWS: Final = 1000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure from several seeds, with the interval that new seeds would give."""

    value: float
    ci95: tuple[float, float] | None
    """None with a single seed, which tells nothing about others."""
    points: int
    censored: int


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """The fit log T = log c + gamma * log D."""

    gamma: Estimate
    constant: float
    r_squared: float


def steps_to_threshold(curve: Sequence[tuple[float, float]], threshold: float = THRESHOLD) -> float:
    """The first step of a curve of (step, accuracy), in any order, at which accuracy is the threshold or more; else NaN."""
    return min((step for step, accuracy in curve if accuracy >= threshold), default=nan)


def power_law(depths: Sequence[float], steps: Floats) -> PowerLaw | None:
    """Least squares on logarithms, and a bootstrap over seeds.

    Args:
        depths: D, one for each row.
        steps: T, ``[depths, seeds]``, NaN where censored.

    Returns:
        None unless at least two depths have a run that reached the threshold.

    Raises:
        ValueError: a shape that does not fit, or a depth or step that is not positive.
    """
    steps = _checked(depths, steps)
    fit = _least_squares(np.asarray(depths, dtype=float), steps)
    if fit is None:
        return None
    gamma, constant, r_squared = fit

    def again(columns: npt.NDArray[np.intp]) -> float:
        refit = _least_squares(np.asarray(depths, dtype=float), steps[:, columns])
        return nan if refit is None else refit[0]

    return PowerLaw(_estimate(gamma, again, steps), exp(constant), r_squared)


def speed_up(uniform: Floats, curriculum: Floats) -> Estimate | None:
    """How many times fewer steps the curriculum took: the geometric mean of T_uniform / T_curriculum over pairs.

    Args:
        uniform: T without the curriculum, ``[depths, seeds]``, NaN where censored.
        curriculum: the same with it, the same depths and seeds.

    Returns:
        None if no pair has reached the threshold both ways.
    """
    if uniform.shape != curriculum.shape:
        raise ValueError(f"the same depths and seeds are needed, not {uniform.shape} and {curriculum.shape}")
    ratios = np.log(uniform) - np.log(curriculum)
    if not np.isfinite(ratios).any():
        return None

    def again(columns: npt.NDArray[np.intp]) -> float:
        drawn = ratios[:, columns]
        return float(np.exp(np.nanmean(drawn))) if np.isfinite(drawn).any() else nan

    return _estimate(float(np.exp(np.nanmean(ratios))), again, ratios)


def _estimate(value: float, again: Callable[[npt.NDArray[np.intp]], float], table: Floats) -> Estimate:
    """The percentile interval of a figure over draws of seeds (columns); draws without a figure are left out."""
    seeds, finite = table.shape[1], int(np.isfinite(table).sum())
    interval = None
    if seeds > 1:
        rng = np.random.default_rng(0)
        draws = np.array([again(rng.integers(seeds, size=seeds)) for _ in range(DRAWS)])
        low, high = np.nanquantile(draws, [0.025, 0.975])
        interval = (float(low), float(high))
    return Estimate(value, interval, finite, table.size - finite)


def _least_squares(depths: Floats, steps: Floats) -> tuple[float, float, float] | None:
    """(gamma, log c, R^2) over all runs that are not censored; None if they have fewer than two depths."""
    rows, columns = np.nonzero(np.isfinite(steps))
    if len(set(depths[rows])) < 2:
        return None
    x, y = np.log(depths[rows]), np.log(steps[rows, columns])
    gamma, constant = np.polyfit(x, y, 1)
    spread: Any = ((y - y.mean()) ** 2).sum()
    residual: Any = ((y - gamma * x - constant) ** 2).sum()
    return float(gamma), float(constant), float(1 - residual / spread) if spread > 0 else nan


def _checked(depths: Sequence[float], steps: Floats) -> Floats:
    if steps.ndim != 2 or len(depths) != len(steps):
        raise ValueError(f"steps are [depths, seeds], with {len(depths)} rows, not {steps.shape}")
    if min(depths, default=0) <= 0 or (steps[np.isfinite(steps)] <= 0).any():
        raise ValueError("depths and steps are positive")
    return steps
