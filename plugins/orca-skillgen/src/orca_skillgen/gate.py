"""The gate: outcomes of the same questions with and without the skill, and what they must show.

Of n pairs, with R repairs (wrong without, right with the skill) and G regressions (the other way round):

- the authors' rule: R - G >= max(3, ceil(min_gain n));
- ours, on top: G <= max_regression times the questions that were right without, so that a skill for some questions may not pay
  for it with others; and on fresh pairs, which no round has seen, the exact one-sided McNemar test
  p = sum_{i >= R} C(R + G, i) / 2^(R + G) < alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import ceil, sqrt
from typing import Any, Final

from orca_core.stats import mcnemar, wilson

LEAST_NET: Final = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """What n pairs came to."""

    n: int
    base_right: int
    repairs: int
    regressions: int
    p_value: float
    """Of the exact one-sided McNemar test; 1 where repairs do not prevail, as there is nothing to test then."""
    dropped: int = 0
    """Pairs that are not among the n, as one side had no answer."""

    @classmethod
    def of(cls, base: Mapping[str, bool], skill: Mapping[str, bool], dropped: int = 0) -> Counts:
        """Count outcomes by prompt id, the same ids in both.

        Raises:
            ValueError: no pair.
        """
        test = mcnemar(skill, base)
        p_value = test.p_value / 2 if test.only_a > test.only_b else 1.0  # symmetric under the null
        return cls(test.n, sum(base.values()), test.only_a, test.only_b, p_value, dropped)

    @property
    def net(self) -> int:
        return self.repairs - self.regressions

    @property
    def net_ci95(self) -> tuple[float, float]:
        """Of net / n."""
        return paired_interval(self)

    def facts(self) -> dict[str, Any]:
        """As JSON, with the rates and their 95 % intervals."""
        base_wrong = self.n - self.base_right
        return asdict(self) | {
            "net": self.net,
            "net_ci95": self.net_ci95,
            "repair_rate_ci95": wilson(self.repairs, base_wrong),
            "regression_rate_ci95": wilson(self.regressions, self.base_right),
        }


def paired_interval(counts: Counts) -> tuple[float, float]:
    """Newcombe's interval of a difference of paired proportions, net / n (Newcombe 1998, method 10).

    Squares and adds the distances of each side's Wilson bounds, with the correlation phi between the sides, whose
    cross product is lessened by n/2 (not below 0) where it is positive.
    """
    n, right, gained, lost = counts.n, counts.base_right, counts.repairs, counts.regressions
    both, neither = right - lost, n - right - gained
    with_skill = both + gained
    (low_a, high_a), (low_b, high_b) = wilson(with_skill, n), wilson(right, n)
    a, b = with_skill / n, right / n
    product: float = both * neither - gained * lost
    if product > 0:
        product = max(product - n / 2, 0.0)
    margins = with_skill * (n - with_skill) * right * (n - right)
    phi = product / sqrt(margins) if margins else 0.0

    def reach(one: float, other: float) -> float:
        return sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    return (a - b) - reach(a - low_a, high_b - b), (a - b) + reach(high_a - a, b - low_b)


@dataclass(frozen=True, slots=True)
class Gate:
    """What pairs must show."""

    min_gain: float = 0.05
    max_regression: float = 0.05
    alpha: float = 0.05

    def released(self, counts: Counts) -> str | None:
        """Why the authors' rule refuses the skill; None: it lets it pass."""
        needed = max(LEAST_NET, ceil(self.min_gain * counts.n))
        return None if counts.net >= needed else f"net {counts.net:+d} of {counts.n}, +{needed} is needed"

    def limited(self, counts: Counts) -> str | None:
        """The authors' rule, with the limit on regressions."""
        allowed = self.max_regression * counts.base_right
        if counts.regressions > allowed:
            return (
                f"breaks {counts.regressions} of {counts.base_right} that were right, "
                f"{self.max_regression:.0%} is allowed"
            )
        return self.released(counts)

    def final(self, counts: Counts) -> str | None:
        """The same on fresh pairs, with the exact test."""
        if reason := self.limited(counts):
            return reason
        return None if counts.p_value < self.alpha else f"p = {counts.p_value:.3f}, below {self.alpha} is needed"
