"""How the cost of learning grows with depth: T ~ c * D^gamma (arXiv 2605.06638), with its uncertainty.

T(D) is the first optimizer step at which held-out accuracy reaches a threshold. A run that never reaches it is censored: NaN.
Censored runs are left out and counted. They are the slow ones, so leaving them out makes gamma look smaller than it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, nan
from typing import Final

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
    """Least squares of log T on log D over all runs that are not censored, and a bootstrap over seeds for gamma.

    Args:
        depths: D, one for each row.
        steps: T, ``[depths, seeds]``, NaN where censored.

    Returns:
        None unless at least two depths have a run that reached the threshold.

    Raises:
        ValueError: a shape that does not fit, or a depth or step that is not positive.
    """
    if steps.ndim != 2 or len(depths) != len(steps):
        raise ValueError(f"steps are [depths, seeds], with {len(depths)} rows, not {steps.shape}")
    if min(depths, default=0) <= 0 or (steps[np.isfinite(steps)] <= 0).any():
        raise ValueError("depths and steps are positive")
    x, y = np.log(np.asarray(depths, dtype=float)), np.log(steps)
    gamma = _estimate(lambda weights: _line(weights, x, y)[0], steps)
    if gamma is None:
        return None
    constant = float(_line(np.ones((1, steps.shape[1])), x, y)[1][0])
    residuals = y - constant - gamma.value * x[:, None]
    return PowerLaw(gamma, exp(constant), float(1 - np.nanvar(residuals) / np.nanvar(y)))


def speed_up(uniform: Floats, curriculum: Floats) -> Estimate | None:
    """How many times fewer steps the curriculum took: the geometric mean of T_uniform / T_curriculum over pairs.

    Args:
        uniform: T without the curriculum, ``[depths, seeds]``, NaN where censored.
        curriculum: the same with it, the same depths and seeds.

    Returns:
        None if no pair has reached the threshold both ways.

    Raises:
        ValueError: tables of different shapes.
    """
    if uniform.shape != curriculum.shape:
        raise ValueError(f"the same depths and seeds are needed, not {uniform.shape} and {curriculum.shape}")
    ratios = np.log(uniform) - np.log(curriculum)

    def means(weights: Floats) -> Floats:
        return np.asarray(np.exp((weights @ np.nansum(ratios, axis=0)) / (weights @ np.isfinite(ratios).sum(axis=0))))

    return _estimate(means, ratios)


def _estimate(figure: Callable[[Floats], Floats], table: Floats) -> Estimate | None:
    """A figure of a table ``[depths, seeds]``, with the percentile interval over draws of its seeds; None if it has none.

    ``figure`` takes how often each seed counts, ``[draws, seeds]``, and gives NaN for a draw that has no such figure; those
    are left out of the interval.
    """
    seeds, finite = table.shape[1], int(np.isfinite(table).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(figure(np.ones((1, seeds)))[0])
        if np.isnan(value):
            return None
        interval = None
        if seeds > 1:
            drawn = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS).astype(float)
            low, high = np.nanquantile(figure(drawn), [0.025, 0.975])
            interval = (float(low), float(high))
    return Estimate(value, interval, finite, table.size - finite)


def _line(weights: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slope and intercept of least squares for each draw ``[draws]``; NaN where fewer than two depths are left.

    Args:
        weights: how often each seed counts, ``[draws, seeds]``.
        x: ``[depths]``.
        y: ``[depths, seeds]``, NaN where there is none.
    """
    there = np.isfinite(y)
    xs, ys = np.where(there, x[:, None], 0.0), np.where(there, y, 0.0)
    n, sx, sy, sxx, sxy = (weights @ table.sum(axis=0) for table in (there, xs, ys, xs * xs, xs * ys))
    spread = n * sxx - sx * sx
    slope = (n * sxy - sx * sy) / np.where(spread > 1e-9, spread, np.nan)
    return slope, (sy - slope * sx) / n
