"""Comparing two subjects that were asked the same items, or two variants of a recipe trained with the same seeds.

Deterministic: resampling uses a fixed seed. Items of one cluster (see :mod:`orca_core.stats.intervals`) are drawn, and
swapped, together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from orca_core.stats.paired import minimum_detectable_effect

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Outcomes = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Item values of one variant: seed -> task -> prompt id -> value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far variant a stands above variant b: the macro average over tasks, then the mean over seeds."""

    estimate: float
    ci95: tuple[float, float]
    """Covers new seeds and new items when there are two seeds or more, else new items only."""
    p_items: float
    """Sign-flip test over items: could *these* fitted students differ by luck of the items?"""
    p_seeds: float | None
    """Paired t-test over seeds: would the *recipe* win again with new seeds? None with one seed or no spread."""
    per_seed: Mapping[str, float]
    items: int
    """Pairs compared, over all seeds and tasks."""
    wins: int
    losses: int
    """Pairs in which a did better, and worse; the rest are ties."""
    detectable: float
    """The smallest true difference that so many items, of which these two disagree on so many, would show with power 0.8
    (:func:`minimum_detectable_effect`; of these fitted models, on new items)."""


@dataclass(frozen=True)
class _Table:
    """A task's pairs, seeds by clusters."""

    sums: Array
    """[seeds, clusters]: the differences a - b of a cluster's items, summed."""
    counts: Array
    """[seeds, clusters]: how many items these are; 0 where a seed was not asked them."""
    wins: int
    losses: int

    def shares(self, of: Array) -> Array:
        """[clusters]: what each cluster of ``of`` adds to the task's mean over seeds."""
        added: Array = (of / self.counts.sum(axis=1, keepdims=True)).mean(axis=0)
        return added


def paired_difference(
    a: Outcomes,
    b: Outcomes,
    *,
    clusters: Mapping[str, Hashable] | None = None,
    flips: int = 9999,
    draws: int = 4000,
) -> Difference:
    """Compare two variants trained with the same seeds, pairing items by id within each seed and task.

    Used are the seeds that both have, the tasks that all of these have, and the items that both have. Two subjects of one
    run are two variants with one seed, of any name. ``clusters``: the cluster of an item by its id; one that has none
    stands for itself.

    *p_items* (Monte-Carlo sign-flip, two-sided, p >= 1 / (flips + 1)): under the null the two variants' values of an item may
    be swapped. An item that several seeds share is swapped in all of them at once, so repeating a question adds no false
    evidence. Valid with any number of seeds, but it takes the fitted models as given.

    *p_seeds* (paired t-test on the per-seed differences): takes in the luck of training. It assumes that they are roughly
    normal; with three seeds it has two degrees of freedom, so it needs a difference of 6 standard deviations for p < 0.01.

    *ci95* adds both sources: clusters resampled within tasks (bootstrap) plus a t deviate scaled by the spread over seeds.
    The item-by-seed noise is in both parts, which errs on the wide side.

    Raises:
        ValueError: no seed, task or item in common.
    """
    import numpy as np
    from scipy.special import stdtr

    rng = np.random.default_rng(0)
    seeds = sorted(a.keys() & b.keys())
    tables = list(_tables(a, b, seeds, clusters or {}))
    if not tables:
        raise ValueError("the two variants have no item of a common seed and task")
    per_seed = np.mean([table.sums.sum(axis=1) / table.counts.sum(axis=1) for table in tables], axis=0)
    estimate = float(per_seed.mean())
    resampled = np.mean([_resampled_means(table, draws, rng) for table in tables], axis=0)
    p_seeds = None
    if len(seeds) > 1:
        error = float(per_seed.std(ddof=1)) / sqrt(len(seeds))
        resampled = resampled + error * rng.standard_t(len(seeds) - 1, size=draws)
        p_seeds = 2 * float(stdtr(len(seeds) - 1, -abs(estimate) / error)) if error > 1e-12 else None
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Difference(
        estimate=estimate,
        ci95=(max(-1.0, float(low)), min(1.0, float(high))),
        p_items=_sign_flip(tables, flips),
        p_seeds=p_seeds,
        per_seed=dict(zip(seeds, per_seed.tolist(), strict=True)),
        items=int(sum(table.counts.sum() for table in tables)),
        wins=sum(table.wins for table in tables),
        losses=sum(table.losses for table in tables),
        detectable=_detectable(tables),
    )


def _tables(a: Outcomes, b: Outcomes, seeds: Sequence[str], clusters: Mapping[str, Hashable]) -> Iterator[_Table]:
    """A table per task of which every seed has an item."""
    import numpy as np

    tasks = sorted(set.intersection(*(set(a[s]) & set(b[s]) for s in seeds))) if seeds else []
    for task in tasks:
        shared = [sorted(a[s][task].keys() & b[s][task].keys()) for s in seeds]
        if not all(shared):
            continue
        names = dict.fromkeys(clusters.get(item, item) for item in sorted(set().union(*shared)))
        places = {name: place for place, name in enumerate(names)}
        sums, counts = np.zeros((2, len(seeds), len(places)))
        wins = losses = 0
        for row, (seed, items) in enumerate(zip(seeds, shared, strict=True)):
            values = np.array([a[seed][task][i] - b[seed][task][i] for i in items])
            columns = [places[clusters.get(i, i)] for i in items]
            np.add.at(sums[row], columns, values)
            np.add.at(counts[row], columns, 1)
            wins, losses = wins + int((values > 0).sum()), losses + int((values < 0).sum())
        yield _Table(sums, counts, wins, losses)


def _resampled_means(table: _Table, draws: int, rng: np.random.Generator) -> Array:
    """Bootstrap means [draws] of a task: a cluster drawn is drawn for every seed that has it."""
    import numpy as np

    # Clusters with the same figures are drawn as one with their number: a table of a thousand 0/1 items has three columns.
    columns, times = np.unique(np.concatenate([table.sums, table.counts]), axis=1, return_counts=True)
    sums, counts = np.split(columns, 2)
    weights = np.zeros((draws, columns.shape[1]))
    # Clusters asked of the same seeds form a stratum, so that each seed keeps its number of clusters in every draw.
    for pattern in np.unique(counts > 0, axis=1).T:
        members = np.flatnonzero(((counts > 0) == pattern[:, None]).all(axis=0))
        total = times[members].sum()
        weights[:, members] = rng.multinomial(total, times[members] / total, size=draws)
    averages: Array = ((weights @ sums.T) / (weights @ counts.T)).mean(axis=1)
    return averages


def _sign_flip(tables: Sequence[_Table], flips: int) -> float:
    """Two-sided Monte-Carlo p-value of the macro difference; the observed assignment counts as one of the flips."""
    import numpy as np

    parts = np.concatenate([table.shares(table.sums) for table in tables])
    observed = abs(parts.sum())
    # Of m parts of one size, the number that keep their sign is binomial: drawn at once.
    sizes, times = np.unique(np.abs(parts[parts != 0]).round(12), return_counts=True)
    kept = np.random.default_rng(1).binomial(times, 0.5, size=(flips, len(sizes)))
    reached = int((np.abs((2 * kept - times) @ sizes) >= observed - 1e-9).sum())
    return (reached + 1) / (flips + 1)


def _detectable(tables: Sequence[_Table]) -> float:
    """The minimum detectable effect of the macro average, whose variance is the sum of the clusters' squared parts."""
    import numpy as np

    parts = np.concatenate([table.shares(table.sums) for table in tables]) / len(tables)
    whole = np.concatenate([table.shares(table.counts) for table in tables]) / len(tables)
    effective = 1 / float((whole**2).sum())
    return minimum_detectable_effect(effective, min(1.0, float((parts**2).sum()) * effective))
