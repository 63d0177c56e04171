"""The jobs of a sweep, and the variants that they form: jobs that differ in nothing but the seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from orca_core.errors import DataError, UserError
from orca_core.report.model import REPORT, STUDENT, ItemKey, Report, ScoreRow, load, load_clusters, load_items
from orca_core.stats import AVERAGE
from orca_core.stats.differences import Outcomes

SEED: Final = "seed"
_OPTION: Final = re.compile(r"(?!(true|false|null|none)$)[a-z][\w-]*", re.IGNORECASE)

Measure = tuple[str, str]
"""(evaluator, metric)."""


@dataclass(frozen=True)
class Job:
    """One job: its overrides, and its report or the reason why there is none."""

    name: str
    overrides: Mapping[str, str]
    report: Report | None = None
    items: Mapping[ItemKey, Mapping[str, float]] = field(default_factory=dict)
    problem: str = ""
    clusters: Mapping[str, str] = field(default_factory=dict)

    @property
    def seed(self) -> str:
        """The seed it ran with, as text; empty if unknown."""
        configured = self.report.config.get(SEED, "") if self.report else ""
        return self.overrides.get(SEED, str(configured))

    @property
    def seconds(self) -> float | None:
        """Seconds of work, without what came from the store."""
        stages = self.report.stages if self.report else []
        return sum(stage.seconds or 0 for stage in stages if not stage.cached) if stages else None

    @property
    def cached_share(self) -> float | None:
        """Share of the stages that came from the store."""
        stages = self.report.stages if self.report else []
        return fmean(stage.cached for stage in stages) if stages else None

    @property
    def subject(self) -> str:
        """Whose figures are compared: the student's, or where the job did not score it, its first subject's."""
        subjects = [row.subject for row in self.report.scores] if self.report else []
        return STUDENT if STUDENT in subjects or not subjects else subjects[0]

    def scores(self, measure: Measure) -> dict[str, ScoreRow]:
        """The subject's scores by task; a sole task stands for the average too."""
        rows, subject = self.report.scores if self.report else [], self.subject
        found = {row.task: row for row in rows if row.subject == subject and (row.evaluator, row.metric) == measure}
        return found | {AVERAGE: next(iter(found.values()))} if len(found) == 1 else found

    def outcomes(self, measure: Measure) -> dict[str, Mapping[str, float]]:
        """The subject's item values by task."""
        evaluator, metric, compared = *measure, self.subject
        return {
            task: values
            for (e, subject, task, m), values in self.items.items()
            if (e, subject, m) == (evaluator, compared, metric)
        }


@dataclass(frozen=True)
class Variant:
    """Jobs whose overrides agree in all but the seed."""

    label: str
    choices: Mapping[str, str]
    """The overrides in which the sweep's jobs differ, without the seed."""
    jobs: Sequence[Job]

    def values(self, measure: Measure, task: str = AVERAGE) -> list[float]:
        """A task's values, one per seed that has one."""
        rows = [job.scores(measure).get(task) for job in self.jobs]
        return [row.value for row in rows if row is not None and row.value is not None]

    def mean(self, measure: Measure, task: str = AVERAGE) -> float | None:
        values = self.values(measure, task)
        return fmean(values) if values else None

    def spread(self, measure: Measure, task: str = AVERAGE) -> float | None:
        """Standard deviation over seeds; None with fewer than two."""
        values = self.values(measure, task)
        return stdev(values) if len(values) > 1 else None

    def outcomes(self, measure: Measure) -> Outcomes:
        """Item values by seed and task, of the jobs that kept them."""
        return {job.seed: outcomes for job in self.jobs if (outcomes := job.outcomes(measure))}

    @property
    def prompts(self) -> float | None:
        """Queries asked of the teachers, mean over seeds."""
        return _mean([_total(phase.prompts for phase in job.report.curriculum) for job in self.jobs if job.report])

    @property
    def tokens(self) -> float | None:
        """Tokens that the student was trained on, mean over seeds."""
        reports = [job.report for job in self.jobs if job.report]
        return _mean(
            [_total(c.points[-1].get("tokens") if c.points else None for c in report.curves) for report in reports]
        )


def read_jobs(sweep: Path) -> list[Job]:
    """The jobs below a sweep's directory, in their order; one without a readable report says why.

    Raises:
        UserError: no such directory, or no job in it.
    """
    if not sweep.is_dir():
        raise UserError(f"{sweep} is not a directory: give the directory of a sweep (orca run -m prints it)")
    marks = [*sweep.rglob(REPORT), *sweep.rglob(".hydra")]
    directories = sorted({mark.parent for mark in marks} - {sweep}, key=lambda path: _natural(path.relative_to(sweep)))
    if not directories:
        raise UserError(f"{sweep} has no job with a {REPORT}: is it the directory of a sweep (orca run -m prints it)?")
    return [_read_job(directory, str(directory.relative_to(sweep))) for directory in directories]


def variants(jobs: Sequence[Job]) -> list[Variant]:
    """The variants among the jobs that have a report, in the order in which they first occur; no two have one label.

    The jobs of each are in the order of their seeds, in whatever order they were run.
    """
    keys = [key for key in varying(jobs) if key != SEED]
    groups: dict[tuple[str | None, ...], list[Job]] = {}
    for job in jobs:
        if job.report:
            groups.setdefault(tuple(job.overrides.get(key) for key in keys), []).append(job)
    choices = [{k: v for k, v in zip(keys, values, strict=True) if v is not None} for values in groups]
    name = label if len({label(one) for one in choices}) == len(choices) else spelled
    members = [sorted(group, key=lambda job: (len(job.seed), job.seed)) for group in groups.values()]
    return [Variant(name(one), one, jobs) for one, jobs in zip(choices, members, strict=True)]


def varying(jobs: Sequence[Job]) -> list[str]:
    """The override keys in which the jobs differ, as far as their overrides are known, in the order in which they occur."""
    jobs = [job for job in jobs if job.overrides]
    keys = dict.fromkeys(key for job in jobs for key in job.overrides)
    return [key for key in keys if len({job.overrides.get(key) for job in jobs}) > 1]


def measures(jobs: Sequence[Job]) -> list[Measure]:
    """What those who are compared were scored by."""
    rows = ((job.subject, row) for job in jobs if job.report for row in job.report.scores)
    return list(dict.fromkeys((row.evaluator, row.metric) for subject, row in rows if row.subject == subject))


def label(choices: Mapping[str, str]) -> str:
    """Overrides as a short name: the option that a group was set to by itself, else the last part of the key and the value."""
    named = {key: "." not in key and _OPTION.fullmatch(value) for key, value in choices.items()}
    parts = [value if named[key] else f"{key.rsplit('.', 1)[-1]}={value}" for key, value in choices.items()]
    return ", ".join(parts) or "all"


def spelled(choices: Mapping[str, str]) -> str:
    """Overrides in full."""
    return ", ".join(f"{key}={value}" for key, value in choices.items()) or "all"


def split_override(override: str) -> tuple[str, str]:
    """``+student.layers=2`` -> (``student.layers``, ``2``); ``~key`` has the value ``~``."""
    key, _, value = override.partition("=")
    return key.lstrip("+~"), value if not override.startswith("~") else "~"


def _read_job(directory: Path, name: str) -> Job:
    overrides = dict(split_override(override) for override in _recorded_overrides(directory))
    try:
        report = load(directory)
        items, clusters = load_items(directory), load_clusters(directory)
    except DataError as error:
        return Job(name, overrides, problem=str(error).replace(f"{directory}/", ""))
    except UserError:
        return Job(name, overrides, problem=f"did not finish: no {REPORT}")
    known = dict(split_override(override) for override in report.overrides)
    return Job(name, known or overrides, report, items, clusters=clusters)


def _recorded_overrides(directory: Path) -> list[str]:
    """What Hydra wrote down when the job started; empty if it did not get that far."""
    import yaml

    file = directory / ".hydra" / "overrides.yaml"
    try:
        recorded: Any = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else []
    except (OSError, yaml.YAMLError):
        recorded = []
    return [str(override) for override in recorded or []]


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """A sort key under which job 10 follows job 9."""
    return [
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", str(path)) if part
    ]


def _total(figures: Iterator[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return sum(known) if known else None


def _mean(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return fmean(known) if known else None
