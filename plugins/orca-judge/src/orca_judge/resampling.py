"""The statistics of judging: everything is resampled by items, as the verdicts on one item are no independent ones.

Arrays: ``values`` are ``[items]`` or ``[items, ...]``; ``draws`` are ``[DRAWS, items]``, item numbers drawn with replacement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from orca_core.stats import wilson

Array = np.ndarray
DRAWS: Final = 1000
RIDGE: Final = 0.1
"""Weight of the penalty that keeps the logistic regression finite where one side wins everything; it moves a win rate of 0.7
over 80 items by less than 0.001."""
_NEWTON_STEPS: Final = 14


def draw(items: int) -> Array:
    """``DRAWS`` bootstrap samples of item numbers, the same each time."""
    return np.random.default_rng(0).integers(0, items, (DRAWS, items))


def percentiles(value: float, statistics: Array) -> tuple[float, float]:
    """The 95 % percentile interval of resampled statistics (NaN: undefined in that sample), never beside the value itself."""
    low, high = np.nanpercentile(statistics, (2.5, 97.5))
    return min(float(low), value), max(float(high), value)


def mean_interval(values: Array, draws: Array) -> tuple[float, float]:
    """Of the mean of values in [0, 1], one an item.

    Where all are 0 or all are 1, resampling sees no spread; it is Wilson's interval then.
    """
    if values.min() == values.max() and values[0] in (0, 1):
        return wilson(float(values.sum()), len(values))
    return percentiles(float(values.mean()), values[draws].mean(axis=1))


def ratio(numerators: Array, denominators: Array, draws: Array) -> tuple[float, tuple[float, float]]:
    """The ratio of two totals over the items, with its interval; NaN if the lower total is 0."""
    below = denominators[draws].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        resampled = np.where(below > 0, numerators[draws].sum(axis=1) / below, np.nan)
        value = float(numerators.sum() / denominators.sum())
    return value, percentiles(value, resampled)


def length_controlled(wins: Array, longer: Array, draws: Array) -> tuple[float, tuple[float, float]]:
    """The win rate at equal lengths, as AlpacaEval 2 defines it (Dubois et al. 2024), simplified.

    P(candidate wins) = sigmoid(theta + phi * tanh(d / sd(d))), where d is how many characters the candidate's answer is longer
    than the reference's; the figure is sigmoid(theta), what the model says at d = 0. Their third term, the difficulty of each
    instruction, is shared by many models on a leaderboard; from a single pair it cannot be told from noise, and is left out.
    Ties count as half a win. The interval is from fitting anew to each bootstrap sample.
    """
    spread = longer.std()
    x = np.tanh(longer / spread) if spread else np.zeros(len(longer))
    best = _fit(x[None], wins[None], np.zeros(2), _NEWTON_STEPS)[0]
    resampled = _sigmoid(_fit(x[draws], wins[draws], best, _NEWTON_STEPS // 2)[:, 0])
    value = float(_sigmoid(best[0]))
    if wins.min() == wins.max() and wins[0] in (0, 1):
        low, high = wilson(float(wins.sum()), len(wins))
        return value, (min(low, value), max(high, value))
    return value, percentiles(value, resampled)


def _fit(x: Array, y: Array, start: Array, steps: int) -> Array:
    """Ridge logistic regressions of y in [0, 1] on x, one a row ``[rows, items]``, by Newton's method: ``[rows, 2]``."""
    theta, phi = np.full(len(x), start[0]), np.full(len(x), start[1])
    for _ in range(steps):
        p = _sigmoid(theta[:, None] + phi[:, None] * x)
        weight, residual = p * (1 - p), y - p
        g0, g1 = residual.sum(1) - RIDGE * theta, (residual * x).sum(1) - RIDGE * phi
        h00, h01, h11 = weight.sum(1) + RIDGE, (weight * x).sum(1), (weight * x * x).sum(1) + RIDGE
        determinant = h00 * h11 - h01 * h01
        # Bounded steps: from far out, where all weights are small, Newton's would overshoot.
        theta += np.clip((h11 * g0 - h01 * g1) / determinant, -2, 2)
        phi += np.clip((h00 * g1 - h01 * g0) / determinant, -2, 2)
    return np.stack([theta, phi], axis=1)


def _sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def alpha(values: Array) -> tuple[float, tuple[float, float]] | None:
    """Krippendorff's alpha of ``[items, judges]`` with the interval metric: 1 is agreement, 0 what chance gives.

    Missing values are NaN; an item with fewer than two says nothing. None where all values are equal, as agreement is then
    undefined (Krippendorff 2011).
    """
    values = values[(~np.isnan(values)).sum(axis=1) > 1]
    if not len(values):
        return None
    count = (~np.isnan(values)).sum(axis=1).astype(float)
    total, squares = np.nansum(values, axis=1), np.nansum(values**2, axis=1)
    # Within an item, the sum over ordered pairs of (a - b)^2 is 2 (m * sum of squares - sum^2).
    within = 2 * (count * squares - total**2) / (count - 1)

    def of(summed: Callable[[Array], Array]) -> Array:
        n, s1, s2 = summed(count), summed(total), summed(squares)
        observed, expected = summed(within) / n, 2 * (n * s2 - s1**2) / (n * (n - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(expected > 1e-12, 1 - observed / expected, np.nan)

    value, draws = float(of(np.sum)), draw(len(values))
    if np.isnan(value):
        return None
    return value, percentiles(value, of(lambda column: column[draws].sum(axis=1)))
