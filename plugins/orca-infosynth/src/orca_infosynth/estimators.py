"""How many bits discrete variables tell about each other: estimators, their bias correction, and what they assume.

Variables are integer codes, arrays of length ``n`` (:func:`codes`); every figure is in **bits** and costs O(n).

Plug-in entropy of a variable with counts n_1..n_m that sum to n:  H = -sum_i (n_i / n) log2(n_i / n).
It falls short of the truth by about (m - 1) / (2 n ln 2) bits, which Miller and Madow (1955) add back, m being the number of
values that occurred. The correction is the first term of an expansion in 1/n: it assumes rows that are drawn independently,
and several of them for each value. With n below some ten times m, figures are rough; where rows share their luck (samples
of one question), n tells more than there is, and figures stay above the truth: what they come to by chance is then the mean
over a permutation test's draws, which is what they are to be held against.

I(X;Y) = H(X) + H(Y) - H(X,Y) and I(X;Y|Z) = H(X,Z) + H(Y,Z) - H(X,Y,Z) - H(Z), each entropy corrected, so that a corrected
figure scatters around 0 where nothing is told, and may be a little negative: cutting it off at 0 would put the bias back.
Uncorrected they are never negative, and processing a variable never adds to them (the data-processing inequality).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from math import log, sqrt
from typing import Any, Final, NamedTuple

import numpy as np

Codes = np.ndarray[Any, np.dtype[np.int64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
Statistic = Callable[[Mask], float]
"""A figure of the rows that a mask keeps."""
GROUPS: Final = 100
"""Groups of clusters that the jackknife leaves out, one at a time."""


class Test(NamedTuple):
    """What a permutation test found."""

    p: float
    null: float
    """The mean of the figure over the permutations: what it comes to by chance."""


def codes(values: Iterable[Hashable]) -> Codes:
    """Any values as integers from 0, in the order in which they first occur."""
    places: dict[Hashable, int] = {}
    return np.array([places.setdefault(value, len(places)) for value in values], dtype=np.int64)


def joint(*variables: Codes) -> Codes:
    """The variable that tells all of them: a code for each combination that occurs, from 0 without gaps."""
    together = np.zeros(len(variables[0]), dtype=np.int64)
    for variable in variables:
        together = np.unique(together * (int(variable.max(initial=0)) + 1) + variable, return_inverse=True)[1]
    return together


def entropy(x: Codes, *, corrected: bool = True) -> float:
    """H(X) in bits, with the Miller-Madow correction unless told otherwise; 0 of no rows."""
    counts = np.bincount(x)
    shares = counts[counts > 0] / max(1, len(x))
    plug_in = float(-(shares * np.log2(shares)).sum())
    return plug_in + (max(0, len(shares) - 1) / (2 * len(x) * log(2)) if corrected and len(x) else 0.0)


def information(x: Codes, y: Codes, z: Codes | None = None, *, corrected: bool = True) -> float:
    """I(X;Y), or I(X;Y|Z) of a stratum ``z`` per row, in bits."""
    base = np.zeros_like(x) if z is None else z
    xz = joint(base, x)
    parts = (xz, joint(base, y), joint(xz, y), base)
    signs = (1, 1, -1, -1)
    total = sum(sign * entropy(part, corrected=corrected) for sign, part in zip(signs, parts, strict=True))
    return 0.0 if abs(total) < 1e-12 else total


def permutation_test(
    c: Codes, s: Codes, z: Codes, *, blocks: Codes | None = None, draws: int = 200, seed: int = 0
) -> Test:
    """Could I(C;S|Z) be this high if S told nothing about C beyond Z?

    S is shuffled among the rows of each stratum, which under the null leaves the distribution as it is if rows of a stratum are
    exchangeable. ``blocks``: rows that share one value of s and z by nature (samples that state the same answer to the same
    question) move as one; they are then what has to be exchangeable. p = (1 + draws that reach the figure) / (1 + draws), so
    that P(p <= a) <= a for every a under the null (Phipson and Smyth 2010).
    """
    rng = np.random.default_rng(seed)
    first, place = np.unique(np.arange(len(s)) if blocks is None else blocks, return_index=True, return_inverse=True)[
        1:
    ]
    observed = information(c, s, z)
    null = np.array([information(c, _shuffled(s[first], z[first], rng)[place], z) for _ in range(draws)])
    return Test((1 + int((null >= observed - 1e-12).sum())) / (1 + draws), float(null.mean()) if draws else 0.0)


def _shuffled(s: Codes, z: Codes, rng: np.random.Generator) -> Codes:
    """``s`` with its values permuted among the rows of each stratum."""
    moved = np.empty_like(s)
    moved[np.argsort(z, kind="stable")] = s[np.lexsort((rng.random(len(s)), z))]
    return moved


def interval(statistic: Statistic, clusters: Codes) -> tuple[float, float]:
    """The 95 % interval of ``statistic`` over all rows, by the delete-a-group jackknife (Kott 2001).

    Clusters (the samples of a question are one) are dealt to at most :data:`GROUPS` groups G; with theta_g the figure without
    group g, se^2 = (G - 1) / G sum_g (theta_g - mean theta)^2, and the interval is theta -+ t(G - 1) se. It holds where the figure
    is roughly normal, which an information is not where it is near 0: there the permutation test is what counts.

    Raises:
        ValueError: fewer than two clusters, which say nothing about how others would do.
    """
    from scipy.special import stdtrit

    value = statistic(np.ones(len(clusters), dtype=bool))
    group = np.unique(clusters, return_inverse=True)[1] % GROUPS
    count = int(group.max(initial=0)) + 1
    if count < 2:
        raise ValueError("the jackknife needs two clusters at least")
    without = np.array([statistic(group != one) for one in range(count)])
    error = sqrt((count - 1) / count * float(((without - without.mean()) ** 2).sum()))
    reach = float(stdtrit(count - 1, 0.975)) * error
    return value - reach, value + reach


def quartiles(values: Iterable[float]) -> Codes:
    """The quartile of each value by rank, 0 to 3; equal values by their order."""
    array = np.fromiter(values, dtype=float)
    ranks = np.empty(len(array), dtype=np.int64)
    ranks[np.argsort(array, kind="stable")] = np.arange(len(array))
    return ranks * 4 // max(1, len(array))
