"""A sweep as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orca_core.report import plots, text
from orca_core.report.html import markup, render
from orca_core.report.jobs import Measure, Variant, label, varying
from orca_core.report.svg import SERIES
from orca_core.report.sweep_terminal import EXPLANATION, clear, job_label, share, star
from orca_core.stats import AVERAGE

if TYPE_CHECKING:
    from orca_core.report.sweep import Sweep


@dataclass(frozen=True)
class Stratum:
    """A baseline and the variants compared with it: one legend, one plot, one table."""

    title: str
    variants: Sequence[tuple[Variant, str]]
    """Each with its colour variable; the baseline first."""
    scores: str | None
    differences: str | None


def write_sweep_html(sweep: Sweep, path: Path) -> None:
    """Write the page of a sweep."""
    sections = [
        (measure, sweep.tasks(measure), [_stratum(sweep, measure, members) for members in sweep.strata()])
        for measure in sweep.measures
    ]
    page = render(
        "sweep.html.j2",
        sweep=sweep,
        sections=sections,
        average=AVERAGE,
        job_label=lambda job: job_label(job, varying(sweep.jobs)),
        share=share,
        clear=clear,
        star=star,
        explanation=EXPLANATION,
    )
    path.write_text(page, encoding="utf-8")


def _stratum(sweep: Sweep, measure: Measure, members: Sequence[Variant]) -> Stratum:
    spare = SERIES[1:]
    coloured = [(one, "base" if index == 0 else spare[(index - 1) % len(spare)]) for index, one in enumerate(members)]
    tasks = [*sweep.tasks(measure), AVERAGE]
    shares = all(0 <= value <= 1 for one in members for task in tasks for value in one.values(measure, task))
    plotted = shares and len(tasks) > 2 and len(members) > 1
    return Stratum(
        title=_common(members),
        variants=coloured,
        scores=markup(_score_plot(sweep, measure, coloured, tasks)) if plotted else None,
        differences=markup(_difference_plot(sweep, measure, coloured[1:], tasks))
        if plotted and sweep.comparisons
        else None,
    )


def _common(members: Sequence[Variant]) -> str:
    """The choices that all members share."""
    first = members[0].choices
    return label({key: value for key, value in first.items() if all(one.choices.get(key) == value for one in members)})


def _score_plot(sweep: Sweep, measure: Measure, members: Sequence[tuple[Variant, str]], tasks: Sequence[str]) -> str:
    """Means over seeds, with each seed as a small dot."""
    series = []
    for variant, colour in members:
        dots = [plots.Dot(variant.mean(measure, task), each=variant.values(measure, task)) for task in tasks]
        series.append(plots.Series(variant.label, colour, dots))
    chance = [_chance(sweep, measure, task) for task in tasks]
    return plots.dot_plot(
        tasks, series, chance=chance, label=f"{measure[1]}, %: mean over seeds (large), each seed (small)"
    )


def _difference_plot(
    sweep: Sweep, measure: Measure, members: Sequence[tuple[Variant, str]], tasks: Sequence[str]
) -> str:
    """Differences to the baseline with their intervals, around a rule at none."""
    series = []
    for variant, colour in members:
        found = [sweep.comparison(measure, variant.label, task) for task in tasks]
        dots = [plots.Dot(one.difference.estimate, *one.difference.ci95) if one else None for one in found]
        series.append(plots.Series(variant.label, colour, dots))
    return plots.dot_plot(tasks, series, label="difference to the baseline, percentage points", limits=None, line=0.0)


def _chance(sweep: Sweep, measure: Measure, task: str) -> float | None:
    rows = [row for job in sweep.jobs if (row := job.scores(measure).get(task)) is not None]
    return next((row.chance for row in rows if text.known(row.chance)), None)
