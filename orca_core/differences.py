"""Comparing two variants of a recipe that were trained with the same seeds and asked the same items.

Deterministic: resampling uses a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

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


def paired_difference(a: Outcomes, b: Outcomes, *, flips: int = 9999, draws: int = 4000) -> Difference:
    """Compare two variants trained with the same seeds, pairing items by id within each seed and task.

    Used are the seeds that both have, the tasks that all of these have, and the items that both have.

    *p_items* (Monte-Carlo sign-flip, two-sided, p >= 1 / (flips + 1)): under the null the two variants' values of an item may
    be swapped. An item that several seeds share is swapped in all of them at once, so repeating a question adds no false
    evidence. Valid with any number of seeds, but it takes the fitted models as given.

    *p_seeds* (paired t-test on the per-seed differences): takes in the luck of training. It assumes that they are roughly
    normal; with three seeds it has two degrees of freedom, so it needs a difference of 6 standard deviations for p < 0.01.

    *ci95* adds both sources: items resampled within tasks (bootstrap) plus a t deviate scaled by the spread over seeds. The
    item-by-seed noise is in both parts, which errs on the wide side.

    Raises:
        ValueError: no seed, task or item in common.
    """
    import numpy as np
    from scipy import stats

    rng = np.random.default_rng(0)
    seeds = sorted(a.keys() & b.keys())
    tables = [table for table in _difference_tables(a, b, seeds) if table.size]
    if not tables:
        raise ValueError("the two variants have no item of a common seed and task")
    per_seed = np.mean([np.nanmean(table, axis=1) for table in tables], axis=0)
    estimate = float(per_seed.mean())
    resampled = np.mean([_resampled_means(table, draws, rng) for table in tables], axis=0)
    p_seeds = None
    if len(seeds) > 1:
        error = float(per_seed.std(ddof=1)) / sqrt(len(seeds))
        resampled = resampled + error * rng.standard_t(len(seeds) - 1, size=draws)
        p_seeds = 2 * float(stats.t.sf(abs(estimate) / error, len(seeds) - 1)) if error > 1e-12 else None
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Difference(
        estimate=estimate,
        ci95=(max(-1.0, float(low)), min(1.0, float(high))),
        p_items=_sign_flip(tables, flips, rng),
        p_seeds=p_seeds,
        per_seed=dict(zip(seeds, per_seed.tolist(), strict=True)),
        items=int(sum(np.isfinite(table).sum() for table in tables)),
        wins=int(sum((table > 0).sum() for table in tables)),
        losses=int(sum((table < 0).sum() for table in tables)),
    )


def _difference_tables(a: Outcomes, b: Outcomes, seeds: Sequence[str]) -> Iterator[np.ndarray[Any, Any]]:
    """Per task an array [seeds, items] of a - b, NaN where a seed was not asked an item; empty if a seed has none."""
    import numpy as np

    tasks = sorted(set.intersection(*(set(a[s]) & set(b[s]) for s in seeds))) if seeds else []
    for task in tasks:
        shared = [a[s][task].keys() & b[s][task].keys() for s in seeds]
        ids = sorted(set().union(*shared)) if all(shared) else []
        rows = [
            [a[s][task][i] - b[s][task][i] if i in own else np.nan for i in ids]
            for s, own in zip(seeds, shared, strict=True)
        ]
        yield np.array(rows, dtype=float)


def _resampled_means(table: np.ndarray[Any, Any], draws: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """Bootstrap means [draws] of a task's table [seeds, items]: an item drawn is drawn for every seed that has it."""
    import numpy as np

    present = np.isfinite(table)
    weights = np.zeros((draws, table.shape[1]))
    # Items asked of the same seeds form a stratum, so that each seed keeps its number of items in every draw.
    for pattern in np.unique(present, axis=1).T:
        members = np.flatnonzero((present == pattern[:, None]).all(axis=0))
        weights[:, members] = rng.multinomial(len(members), np.full(len(members), 1 / len(members)), size=draws)
    means = (weights @ np.nan_to_num(table).T) / present.sum(axis=1)
    averages: np.ndarray[Any, Any] = means.mean(axis=1)
    return averages


def _sign_flip(tables: Sequence[np.ndarray[Any, Any]], flips: int, rng: np.random.Generator) -> float:
    """Two-sided Monte-Carlo p-value of the macro difference; the observed assignment counts as one of the flips."""
    import numpy as np

    shares = [(np.nan_to_num(table) / np.isfinite(table).sum(axis=1, keepdims=True)).sum(axis=0) for table in tables]
    parts = np.concatenate(shares)
    parts = parts[parts != 0]
    observed = abs(parts.sum())
    reached = 1
    for start in range(0, flips, 1000):
        signs = rng.choice((-1.0, 1.0), size=(min(1000, flips - start), len(parts)))
        reached += int((np.abs(signs @ parts) >= observed - 1e-12).sum())
    return reached / (flips + 1)
