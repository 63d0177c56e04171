"""lm-eval's results as scores: its value of each metric, with the interval, the chance level and the items that orca wants."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from math import hypot, isfinite
from numbers import Real
from random import Random
from statistics import fmean, stdev
from typing import Any, Final

from orca_core.errors import UserError
from orca_core.records import Score
from orca_core.stats import Z95, wilson

log = logging.getLogger("orca.lm-eval")

BY_LIKELIHOOD: Final = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info")
"""The metrics of multiple choice that take the likeliest option by some measure: guessing gets its share."""
DRAWS: Final = 200
"""For the interval of a metric whose standard error lm-eval does not tell."""
NO_FILTER: Final = "none"

Documents = Mapping[tuple[str, int], str]
"""The first prompt of each document, by task and number of the document: what its item is known by."""


def scores_of(name: str, task: Any, results: Mapping[str, Any], documents: Documents) -> Iterator[Score]:
    """A score for each metric and filter of a task.

    Args:
        name: of the task.
        task: the ``lm_eval.api.task.Task``.
        results: what ``lm_eval.evaluate`` returned.
        documents: see there.
    """
    figures: Mapping[str, Any] = results["results"][name]
    for key, value in figures.items():
        metric, comma, filter_ = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        title = metric if filter_ == NO_FILTER else key
        if not isinstance(value, Real) or not isfinite(value):
            log.warning("lm-eval task '%s': %s is %s, which is no score, and is left out", name, title, value)
            continue
        samples = [one for one in results["samples"][name] if one["filter"] == filter_ and metric in one]
        values, aggregation = [one[metric] for one in samples], task.aggregation().get(metric)
        stderr = figures.get(f"{metric}_stderr,{filter_}")
        yield Score(
            task=name,
            metric=title,
            value=float(value),
            n=len(values),
            ci95=_interval(f"lm-eval task '{name}': {title}", float(value), values, stderr, aggregation),
            chance=_chance(task, metric, samples),
            format_ok=_format_ok(task, filter_, samples),
            items={
                documents[name, one["doc_id"]]: float(one[metric]) for one in samples if isinstance(one[metric], Real)
            },
        )


def group_scores(group: Any, results: Mapping[str, Any], scores: Sequence[Score]) -> Iterator[Score]:
    """lm-eval's own figures of a group, such as MMLU's accuracy over all documents of its 57 tasks.

    The metrics are called ``group acc`` and so on, so that no average over tasks counts them. Interval and chance are those of the
    tasks, weighed as lm-eval weighs their values, the tasks being independent.

    Args:
        group: the ``lm_eval.api.group.Group``, which has figures.
        results: what ``lm_eval.evaluate`` returned.
        scores: those of the tasks.
    """
    figures: Mapping[str, Any] = results["groups"].get(group.name, {})
    names = {task.task_name for task in group.get_all_tasks()}
    by_size = {config.metric: config.weight_by_size for config in group.aggregate_metric_list}
    for key, value in figures.items():
        metric, comma, filter_ = key.partition(",")
        title = metric if filter_ == NO_FILTER else key
        parts = [score for score in scores if score.task in names and score.metric == title]
        if not comma or metric not in by_size or not parts or not isfinite(value):  # of a task it was told already
            continue
        sizes = [score.n if by_size[metric] else 1 for score in parts]
        weights = [size / sum(sizes) for size in sizes]
        error = hypot(*(w * (high - low) / 2 for w, (low, high) in zip(weights, (s.ci95 for s in parts), strict=True)))
        chances = [score.chance for score in parts if score.chance is not None]
        yield Score(
            task=group.name,
            metric=f"group {title}",
            value=float(value),
            n=sum(score.n for score in parts),
            ci95=(float(value) - error, float(value) + error),
            chance=_weighed(weights, chances) if len(chances) == len(parts) else None,
            format_ok=_weighed(weights, [score.format_ok or 0.0 for score in parts]),
            items={item: one for score in parts for item, one in score.items.items()} if by_size[metric] else {},
        )


def _weighed(weights: Sequence[float], values: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True))


def _interval(what: str, value: float, values: Sequence[Any], stderr: Any, aggregation: Any) -> tuple[float, float]:
    """Wilson's of a mean of zeros and ones; otherwise 1.96 standard errors, lm-eval's or, if it has none, of resamples.

    Raises:
        UserError: one document that tells nothing about others.
    """
    if all(isinstance(one, Real) and one in (0, 1) for one in values) and abs(fmean(values) - value) < 1e-9:
        return wilson(float(sum(values)), len(values))
    if len(values) == 1:
        raise UserError(f"{what} of a single document has no interval; raise evaluator.lm-eval.limit")
    error = float(stderr) if isinstance(stderr, Real) else _resampled(values, aggregation or fmean)
    return value - Z95 * error, value + Z95 * error


def _resampled(values: Sequence[Any], aggregation: Any) -> float:
    """The standard error of an aggregation by the bootstrap over documents (Efron 1979), the same each time."""
    draw = Random("lm-eval")
    return stdev(float(aggregation(draw.choices(values, k=len(values)))) for _ in range(DRAWS))


def _chance(task: Any, metric: str, samples: Sequence[Mapping[str, Any]]) -> float | None:
    """What guessing among the options gets, where lm-eval's own rule of multiple choice decides; None: not known."""
    if task.OUTPUT_TYPE != "multiple_choice" or metric not in BY_LIKELIHOOD or callable(task.config.process_results):
        return None
    shares = []
    for sample in samples:
        target, options = sample["target"], len(task.doc_to_choice(sample["doc"]))
        shares.append((len(set(target)) if task.multiple_target else 1) / options)
    return fmean(shares)


def _format_ok(task: Any, filter_: str, samples: Sequence[Mapping[str, Any]]) -> float:
    """The share of documents of which the filter read an answer: an extracting one tells by its fallback if it did not."""
    made = [make() for ensemble in task._filters if ensemble.name == filter_ for make in ensemble.filters]
    fallbacks = [one.fallback for one in made if hasattr(one, "fallback")]
    return fmean(any(_is_read(answer, fallbacks) for answer in sample["filtered_resps"]) for sample in samples)


def _is_read(answer: Any, fallbacks: Sequence[Any]) -> bool:
    several = answer if isinstance(answer, list) else [answer]
    return any(one not in fallbacks for one in several)


def greed_is_idle(task: Any) -> bool:
    """Whether nothing comes of what a task is told of greedy decoding: lm-eval's own rule of multiple choice looks at it anyway."""
    own = task.OUTPUT_TYPE == "multiple_choice" and not callable(task.config.process_results)
    return own and "exact_match" not in task.aggregation()


def target_of(task: Any, doc: Any) -> str | None:
    """A document's gold answer as text, to be shown; None: it has none that is one text."""
    target = task.doc_to_target(doc)
    if isinstance(target, int) and task.OUTPUT_TYPE == "multiple_choice" and not task.multiple_input:
        options = task.doc_to_choice(doc)
        return str(options[target]) if 0 <= target < len(options) else None
    return target if isinstance(target, str) else None
