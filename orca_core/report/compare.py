"""Paired tests between the variants of a sweep, each against the baseline that differs from it in one choice only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from orca_core.errors import did_you_mean
from orca_core.report.jobs import Measure, Variant, spelled, split_override
from orca_core.stats import AVERAGE, holm
from orca_core.stats.differences import Difference, Outcomes, paired_difference


@dataclass(frozen=True)
class Comparison:
    """One variant against its baseline, on the average or one task, with p-values before and after Holm's correction."""

    measure: Measure
    task: str
    variant: str
    baseline: str
    difference: Difference
    p_items_holm: float
    p_seeds_holm: float | None


def choose_baselines(variants: Sequence[Variant], wanted: str | None) -> tuple[dict[str, str], list[str]]:
    """The baseline's label for each variant that has one, and notes on what could not be compared.

    ``wanted`` names the baseline by its overrides (``curriculum=answer-only``). A variant's baseline makes these choices and
    shares the variant's others, so that with ``budget=queries,tokens`` each budget has its own. None: the first value of the
    first choice that varies.
    """
    if len(variants) < 2:
        return {}, []
    choices = _parse(wanted) if wanted else dict(list(variants[0].choices.items())[:1])
    known = {key for variant in variants for key in variant.choices}
    unknown = [key for key in choices if key not in known]
    if unknown:
        return {}, [f"compare={wanted}: the jobs do not differ in '{unknown[0]}'{did_you_mean(unknown[0], known)}"]
    baselines, notes = {}, []
    by_choices = {frozenset(variant.choices.items()): variant.label for variant in variants}
    for variant in variants:
        target = dict(variant.choices) | choices
        found = by_choices.get(frozenset(target.items()))
        if found is None:
            notes.append(f"{variant.label}: not compared, as no job with {spelled(target)} gave a report")
        elif found != variant.label:
            baselines[variant.label] = found
    return baselines, notes


def compare(
    measure: Measure, variants: Sequence[Variant], baselines: Mapping[str, str]
) -> tuple[list[Comparison], list[str]]:
    """Every variant against its baseline on one measure: on the average over tasks, then per task.

    Holm's correction is over the variants for the averages, and over the tasks within each variant for the tasks.
    """
    by_label = {variant.label: variant for variant in variants}
    clusters = {item: name for variant in variants for job in variant.jobs for item, name in job.clusters.items()}
    averages, per_task, notes = [], [], []
    for name, base in baselines.items():
        a, b = by_label[name].outcomes(measure), by_label[base].outcomes(measure)
        try:
            averages.append(_compare(measure, AVERAGE, name, base, paired_difference(a, b, clusters=clusters)))
        except ValueError as error:
            notes.append(f"{name} against {base} on {measure[0]}: {error}")
            continue
        tasks = set.intersection(*(set(a[s]) & set(b[s]) for s in a.keys() & b.keys()))
        if len(tasks) > 1:
            found = {t: paired_difference(_only(a, t), _only(b, t), clusters=clusters) for t in sorted(tasks)}
            per_task += _corrected([_compare(measure, t, name, base, one) for t, one in found.items()])
    return _corrected(averages) + per_task, notes


def _compare(measure: Measure, task: str, name: str, base: str, found: Difference) -> Comparison:
    return Comparison(measure, task, name, base, found, found.p_items, found.p_seeds)


def _corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's correction over all of them."""
    items = holm([one.difference.p_items for one in comparisons])
    tested = [p for one in comparisons if (p := one.difference.p_seeds) is not None]
    seeds = iter(holm(tested))
    return [
        replace(one, p_items_holm=p, p_seeds_holm=None if one.difference.p_seeds is None else next(seeds))
        for one, p in zip(comparisons, items, strict=True)
    ]


def _only(outcomes: Outcomes, task: str) -> Outcomes:
    return {seed: {task: tasks[task]} for seed, tasks in outcomes.items() if task in tasks}


def _parse(wanted: str) -> dict[str, str]:
    """``a=1,b=2`` as a mapping; a comma inside a value does not split."""
    return dict(split_override(part.strip()) for part in re.split(r",(?=[^,=]+=)", wanted))
