"""Scores out of what the judges said of one set of questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from orca_core import Score
from orca_core.stats import wilson
from orca_judge import published
from orca_judge.resampling import Array, alpha, draw, length_controlled, mean_interval, percentiles, ratio

HIGHEST: Final = 10.0
RANDOM_GRADE: Final = 5.5
"""The mean of grades that are drawn from 1 to 10."""


@dataclass(frozen=True)
class Judged:
    """A set of questions with all that was said of its answers. NaN: could not be read."""

    task: str
    ids: Sequence[str]
    """Of the subject's prompts: the items."""
    points: Array
    """``[items, judges, orders, 2]``: the candidate's and the reference's score, or 1/0, 0/1 and 0.5/0.5 after a verdict;
    order 0 shows the reference first. A single grade is ``[items, judges, 1, 1]``."""
    longer: Array
    """``[items]``: characters that the candidate's answer is longer than the reference's."""
    hostile: Sequence[frozenset[str]]
    """The flags of each candidate's answer."""

    @property
    def readable(self) -> float:
        """The share of what the judges were to say that could be read."""
        return float((~np.isnan(self.points[..., 0])).mean())


def paper(judged: Judged) -> Iterator[Score]:
    """The paper's figure, and hostile answers."""
    yield from _ratio("ratio", judged, judged.points[:, 0], published.ratios(judged.task))
    yield _hostile(judged)


def single(judged: Judged) -> Iterator[Score]:
    """The mean grade."""
    grades = judged.points[..., 0].reshape(len(judged.ids), -1)
    kept = ~np.isnan(grades).all(axis=1)
    if kept.any():
        means = np.nanmean(grades[kept], axis=1)
        value, resampled = float(means.mean()), means[draw(len(means))].mean(axis=1)
        items = _items(judged, kept, means / HIGHEST)
        yield _score("grade", judged, value, len(means), percentiles(value, resampled), RANDOM_GRADE, items)
        yield from _judges_agree(judged, grades / HIGHEST)
    yield _hostile(judged)


def sound(judged: Judged, *, scored: bool) -> Iterator[Score]:
    """Win rates, then what they are worth: biases and agreement; with scores (reviewer's form), the ratios too.

    An item counts with the judges that could be read in both orders: a single order would bring its bias along.
    """
    wins = _wins(judged.points)
    complete = np.where(np.isnan(wins).any(axis=2, keepdims=True), np.nan, wins)
    kept = np.asarray(~np.isnan(complete).all(axis=(1, 2)))
    if kept.any():
        yield from _win_rates(judged, complete[kept], kept)
        yield from _judges_agree(judged, complete.mean(axis=2))
    if scored:
        yield from _ratios(judged)
    yield _hostile(judged)


def _wins(points: Array) -> Array:
    """``[items, judges, orders]``: 1 if the candidate won, 0 if it lost, 0.5 for a tie."""
    return np.where(np.isnan(points[..., 0]), np.nan, (np.sign(points[..., 0] - points[..., 1]) + 1) / 2)


def _win_rates(judged: Judged, wins: Array, kept: Array) -> Iterator[Score]:
    """Of the wins ``[items, judges, orders]`` of the items that are ``kept``; a judge's both orders or none are NaN."""
    n, draws = len(wins), draw(len(wins))
    rate = np.nanmean(wins, axis=(1, 2))
    items = _items(judged, kept, rate)
    yield _score("win rate", judged, float(rate.mean()), n, mean_interval(rate, draws), 0.5, items)
    value, bounds = length_controlled(rate, judged.longer[kept], draws)
    yield _score("length-controlled win rate", judged, value, n, bounds, 0.5, items)
    behind, ahead = wins[..., 0], wins[..., 1]
    for metric, values, chance in (
        ("first-place win rate", (1 - behind + ahead) / 2, 0.5),
        ("order agreement", np.where(np.isnan(behind), np.nan, behind == ahead), _by_chance(behind, ahead)),
        ("tie rate", np.where(np.isnan(behind), np.nan, ((behind == 0.5) * 1.0 + (ahead == 0.5)) / 2), None),
    ):
        means = np.nanmean(values, axis=1)
        yield _score(metric, judged, float(means.mean()), n, mean_interval(means, draws), chance)


def _by_chance(a: Array, b: Array) -> float:
    """How often two verdicts are the same if each comes as often as it does, but neither knows of the other."""
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    return float(sum((a == verdict).mean() * (b == verdict).mean() for verdict in (0.0, 0.5, 1.0)))


def _judges_agree(judged: Judged, values: Array) -> Iterator[Score]:
    """Krippendorff's alpha of ``[items, judges]``, where there are several judges that differ at all."""
    n = int(((~np.isnan(values)).sum(axis=1) > 1).sum())
    if values.shape[1] > 1 and n and (found := alpha(values)):
        yield _score("judge agreement (alpha)", judged, found[0], n, found[1], 0.0)


def _ratios(judged: Judged) -> Iterator[Score]:
    """The paper's ratio in each order, and over both."""
    points = judged.points
    yield from _ratio("ratio, reference first", judged, points[:, :, 0], published.ratios(judged.task))
    yield from _ratio("ratio, candidate first", judged, points[:, :, 1], published.ratios_shown_first(judged.task))
    yield from _ratio("ratio, both orders", judged, points.reshape(len(points), -1, 2), {})


def _ratio(metric: str, judged: Judged, points: Array, references: Mapping[str, float]) -> Iterator[Score]:
    """Of ``[items, replies, 2]``; an item counts with its mean over the replies if all of them could be read."""
    kept = ~np.isnan(points).any(axis=(1, 2))
    totals = points[kept].mean(axis=1)
    if kept.any() and totals[:, 1].sum() > 0:
        value, bounds = ratio(totals[:, 0], totals[:, 1], draw(len(totals)))
        items = _items(judged, kept, totals[:, 0] / HIGHEST)
        yield _score(metric, judged, value, len(totals), bounds, 1.0, items, references)


def _hostile(judged: Judged) -> Score:
    flagged, n = sum(map(bool, judged.hostile)), len(judged.hostile)
    return _score("hostile answers", judged, flagged / n, n, wilson(flagged, n), None)


def _items(judged: Judged, kept: Array, values: Array) -> dict[str, float]:
    return dict(zip((i for i, keep in zip(judged.ids, kept, strict=True) if keep), map(float, values), strict=True))


def _score(
    metric: str,
    judged: Judged,
    value: float,
    n: int,
    ci95: tuple[float, float],
    chance: float | None,
    items: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
) -> Score:
    return Score(
        judged.task, metric, value, n, ci95, chance, judged.readable, dict(items or {}), dict(references or {})
    )
