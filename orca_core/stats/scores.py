"""A task's figure with all that belongs to it: sample size, interval, chance; and macro averages over tasks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from math import isclose, sqrt
from typing import Final

from orca_core.records import Score
from orca_core.stats.intervals import cluster_bootstrap, wilson, wilson_clustered

AVERAGE: Final = "average"
"""The task name of a macro average."""


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


def clustered(score: Score, clusters: Mapping[str, Hashable]) -> Score:
    """The score with the interval that its items allow where several belong to one cluster; as it is where none do.

    Args:
        score: its value is the mean of its items' (one that is anything else stays as it is).
        clusters: the cluster of every item, by prompt id; an item that has none is one by itself.
    """
    values = list(score.items.values())
    names = [clusters.get(item, item) for item in score.items]
    count = len(set(names))
    if count == len(values) or not isclose(score.value, _mean(values), rel_tol=1e-9, abs_tol=1e-12):
        return score
    if all(0 <= value <= 1 for value in values):
        return replace(score, ci95=wilson_clustered(values, names), clusters=count)
    return replace(score, ci95=cluster_bootstrap(values, names), clusters=count) if count > 1 else score


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
        clusters=sum(score.clusters or score.n for score in scores)
        if any(score.clusters for score in scores)
        else None,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _mean_of_all(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else None
