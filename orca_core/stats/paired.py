"""Two subjects on the same items: McNemar's test, Holm's correction for many tests, and what n items can tell apart at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

REACH: Final = 1.959963984540054 + 0.8416212335729143
"""z(0.975) + z(0.8): how many standard errors an effect must measure to be found, at two-sided alpha 0.05, with power 0.8."""


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two subjects on the same items: how many only one of them got right, and the exact two-sided p-value."""

    n: int
    only_a: int
    only_b: int
    p_value: float


def mcnemar(a: Mapping[str, float], b: Mapping[str, float]) -> McNemar:
    """The exact McNemar test on the items (prompt id -> 0 or 1) that both have.

    Tests that, on an item which the two answer differently, either is right with probability one half. It speaks of these
    two fitted models on items like these, not of what training with another seed would give. It takes items for independent.

    Raises:
        ValueError: no shared item, or a value other than 0 and 1.
    """
    from scipy.special import bdtr

    shared = a.keys() & b.keys()
    if not shared:
        raise ValueError("the two have no item in common")
    if any(value not in (0, 1) for i in shared for value in (a[i], b[i])):
        raise ValueError("McNemar's test needs items of 0 or 1")
    only_a = sum(a[i] > b[i] for i in shared)
    only_b = sum(b[i] > a[i] for i in shared)
    p_value = min(1.0, 2 * float(bdtr(min(only_a, only_b), only_a + only_b, 0.5)))
    return McNemar(len(shared), only_a, only_b, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for testing several hypotheses at once (Holm 1979), in the order given."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def minimum_detectable_effect(n: float, disagreement: float) -> float:
    """The difference between two subjects, as a share, that n items asked of both would show with power 0.8.

    (z(0.975) + z(0.8)) sqrt(disagreement / n) = 2.80 sqrt(disagreement / n), ``disagreement`` being the share of the items
    that only one of the two gets right (Connor 1987, with the variance under the null; mean squared difference where values
    are fractions). Two that differ by delta disagree on delta of the items at least, so where the formula gives more than
    ``disagreement``, it is solved with disagreement = delta: 2.80^2 / n.

    Raises:
        ValueError: no items, or a disagreement outside [0, 1].
    """
    if n <= 0 or not 0 <= disagreement <= 1:
        raise ValueError(f"needs n > 0 and a disagreement in [0, 1], not {n} and {disagreement}")
    effect = REACH * sqrt(disagreement / n)
    return min(1.0, effect if effect < disagreement else REACH**2 / n)


def unpaired_detectable_effect(n: float, share: float = 0.5) -> float:
    """The same of two subjects (or two benchmarks' figures from papers) that were asked n different items each.

    2.80 sqrt(2 share (1 - share) / n), ``share`` being what both get right under the null; one half is the worst case.

    Raises:
        ValueError: no items, or a share outside [0, 1].
    """
    if n <= 0 or not 0 <= share <= 1:
        raise ValueError(f"needs n > 0 and a share in [0, 1], not {n} and {share}")
    return min(1.0, REACH * sqrt(2 * share * (1 - share) / n))
