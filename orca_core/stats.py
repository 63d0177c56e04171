"""The statistics behind every figure: intervals of proportions, macro averages, McNemar's test, Holm's correction.

Values of items lie in [0, 1] (0/1 for right or wrong, fractions for partial credit). Intervals are 95 % and two-sided.
Variants trained with several seeds are compared in :mod:`orca_core.differences`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from random import Random
from typing import Final, TypeVar

from orca_core.records import Score

T = TypeVar("T")

Z95: Final = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""
AVERAGE: Final = "average"
"""The task name of a macro average."""


def reservoir(items: Iterable[T], size: int) -> tuple[list[T], int]:
    """A uniform random sample of a stream, the same each time, and the length of the stream (Vitter 1985, algorithm R).

    Returns:
        At most ``size`` items, all of them if the stream is no longer, and how many there were.
    """
    draw, sample, count = Random("reservoir"), list[T](), 0
    for count, item in enumerate(items, 1):
        if count <= size:
            sample.append(item)
        elif (place := int(draw.random() * count)) < size:
            sample[place] = item
    return sample, count


def wilson(successes: float, n: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval of a proportion (Wilson 1927): stays in [0, 1] and is sound at 0 % and 100 %.

    ``successes`` may be a sum of fractions; the interval is then conservative, as no distribution on [0, 1] with that mean
    varies more than the 0/1 one. ``n = 0`` tells nothing: (0, 1).

    Raises:
        ValueError: successes outside [0, n].
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in [0, n], not {successes} of {n}")
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # The bounds at 0 and n are exactly 0 and 1; rounding would leave them a hair inside or outside.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def proportion_score(
    task: str,
    outcomes: Mapping[str, bool | float],
    *,
    metric: str = "accuracy",
    chance: float | None,
    format_ok: float | None,
    references: Mapping[str, float] | None = None,
) -> Score:
    """The mean of ``outcomes`` (prompt id -> right or wrong, or a value in [0, 1]) with its Wilson interval.

    Raises:
        ValueError: no outcomes, or one outside [0, 1].
    """
    items = {prompt: float(value) for prompt, value in outcomes.items()}
    if not items:
        raise ValueError(f"task '{task}' has no outcomes to score")
    if not all(0 <= value <= 1 for value in items.values()):
        raise ValueError(f"task '{task}' has an outcome outside [0, 1]")
    total = sum(items.values())
    return Score(
        task=task,
        metric=metric,
        value=total / len(items),
        n=len(items),
        ci95=wilson(total, len(items)),
        chance=chance,
        format_ok=format_ok,
        items=items,
        references=dict(references or {}),
    )


def macro_average(scores: Sequence[Score]) -> Score:
    """The unweighted mean over an evaluator's tasks, as a score of task ``average``.

    The interval adds the tasks' own distances to their bounds in squares, sqrt(sum (value - low)^2) / k (Newcombe's
    square-and-add; Zou and Donner 2008): the stratified standard error sqrt(sum var) / k for large n, and still sound when
    a task stands at 0 % or 100 %, where that error would be nil. It speaks of new items of these tasks, not of new tasks.
    ``n`` is the total; chance, format-OK and a reference column are averaged when every task has them. Items stay with
    their tasks.

    Raises:
        ValueError: no scores, or scores of different metrics.
    """
    metrics = {score.metric for score in scores}
    if len(metrics) != 1:
        raise ValueError(f"a macro average needs scores of one metric, not of {sorted(metrics) or 'none'}")
    value = _mean([score.value for score in scores])
    below = sqrt(sum((score.value - score.ci95[0]) ** 2 for score in scores)) / len(scores)
    above = sqrt(sum((score.ci95[1] - score.value) ** 2 for score in scores)) / len(scores)
    columns = [c for c in scores[0].references if all(c in score.references for score in scores)]
    return Score(
        task=AVERAGE,
        metric=metrics.pop(),
        value=value,
        n=sum(score.n for score in scores),
        ci95=(value - below, value + above),
        chance=_mean_of_all([score.chance for score in scores]),
        format_ok=_mean_of_all([score.format_ok for score in scores]),
        references={column: _mean([score.references[column] for score in scores]) for column in columns},
    )


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
    two fitted models on items like these, not of what training with another seed would give.

    Raises:
        ValueError: no shared item, or a value other than 0 and 1.
    """
    from scipy.stats import binomtest

    shared = a.keys() & b.keys()
    if not shared:
        raise ValueError("the two have no item in common")
    if any(value not in (0, 1) for i in shared for value in (a[i], b[i])):
        raise ValueError("McNemar's test needs items of 0 or 1")
    only_a = sum(a[i] > b[i] for i in shared)
    only_b = sum(b[i] > a[i] for i in shared)
    p_value = float(binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
    return McNemar(len(shared), only_a, only_b, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for testing several hypotheses at once (Holm 1979), in the order given."""
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_of_all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else None
