"""What a sweep found: its jobs, variants over seeds, and how each variant compares with its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orca_core.report.compare import Comparison
from orca_core.report.jobs import SEED, Job, Measure, Variant
from orca_core.stats import AVERAGE


@dataclass(frozen=True)
class Sweep:
    """What a sweep found."""

    directory: Path
    name: str
    jobs: Sequence[Job]
    variants: Sequence[Variant]
    measures: Sequence[Measure]
    comparisons: Sequence[Comparison]
    notes: Sequence[str]

    def comparison(self, measure: Measure, variant: str, task: str = AVERAGE) -> Comparison | None:
        """How a variant compares with its baseline; None for a baseline itself."""
        wanted = (measure, variant, task)
        return next((one for one in self.comparisons if (one.measure, one.variant, one.task) == wanted), None)

    def strata(self) -> list[list[Variant]]:
        """The variants that are compared with each other, each list led by its baseline; all in one list if none are."""
        by_label = {variant.label: variant for variant in self.variants}
        members: dict[str, list[Variant]] = {}
        for one in self.comparisons:
            group = members.setdefault(one.baseline, [by_label[one.baseline]])
            if by_label[one.variant] not in group:
                group.append(by_label[one.variant])
        return list(members.values()) or [list(self.variants)]

    def ordered(self) -> list[Variant]:
        """All variants, each after its baseline."""
        grouped = [variant for stratum in self.strata() for variant in stratum]
        return grouped + [variant for variant in self.variants if variant not in grouped]

    def tasks(self, measure: Measure) -> list[str]:
        """The tasks of a measure in their order, without the average."""
        return list(dict.fromkeys(t for job in self.jobs for t in job.scores(measure) if t != AVERAGE))


def as_json(sweep: Sweep) -> dict[str, Any]:
    """The content of ``sweep.json``."""
    return {
        "name": sweep.name,
        "jobs": [_job_json(job, sweep.measures) for job in sweep.jobs],
        "variants": [_variant_json(variant, sweep) for variant in sweep.variants],
        "comparisons": [_comparison_json(one) for one in sweep.comparisons],
        "notes": list(sweep.notes),
    }


def _job_json(job: Job, measured: Sequence[Measure]) -> dict[str, Any]:
    averages = {measure: job.scores(measure).get(AVERAGE) for measure in measured}
    return {
        "job": job.name,
        "overrides": dict(job.overrides),
        SEED: job.seed,
        "problem": job.problem or None,
        "seconds": job.seconds,
        "cached": job.cached_share,
        "averages": [
            {"evaluator": evaluator, "metric": metric, "value": row.value, "ci95": row.ci95}
            for (evaluator, metric), row in averages.items()
            if row is not None
        ],
    }


def _variant_json(variant: Variant, sweep: Sweep) -> dict[str, Any]:
    return {
        "variant": variant.label,
        "choices": dict(variant.choices),
        "seeds": [job.seed for job in variant.jobs],
        "prompts": variant.prompts,
        "tokens": variant.tokens,
        "scores": [
            {
                "evaluator": measure[0],
                "metric": measure[1],
                "task": task,
                "mean": variant.mean(measure, task),
                "sd": variant.spread(measure, task),
                "values": variant.values(measure, task),
            }
            for measure in sweep.measures
            for task in [*sweep.tasks(measure), AVERAGE]
        ],
    }


def _comparison_json(one: Comparison) -> dict[str, Any]:
    evaluator, metric = one.measure
    where = {
        "evaluator": evaluator,
        "metric": metric,
        "task": one.task,
        "variant": one.variant,
        "baseline": one.baseline,
    }
    return where | asdict(one.difference) | {"p_items_holm": one.p_items_holm, "p_seeds_holm": one.p_seeds_holm}
