"""A sweep as tables in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orca_core.report import text
from orca_core.report.compare import Comparison
from orca_core.report.jobs import Job, Measure, Variant, label, varying
from orca_core.report.tables import new_table, plain
from orca_core.stats import AVERAGE

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from orca_core.report.sweep import Sweep


def print_sweep(sweep: Sweep, console: Console) -> None:
    """Print jobs, then per measure the variants and their tasks, then notes and where the page is."""
    console.print(f"[bold]{plain(sweep.name)}[/] [dim]{len(sweep.jobs)} jobs[/]\n")
    console.print(_job_table(sweep))
    for measure in sweep.measures:
        if len(sweep.variants) < len(sweep.jobs) or sweep.comparisons:
            console.print("", _variant_table(sweep, measure), sep="\n")
        if len(sweep.tasks(measure)) > 1 and len(sweep.variants) > 1:
            for stratum in sweep.strata():
                console.print("", _task_table(sweep, measure, stratum), sep="\n")
    if sweep.comparisons:
        console.print(f"[dim]{plain(EXPLANATION)}[/]")
    for note in sweep.notes:
        console.print(f"[yellow]{plain(note)}[/]")
    console.print(f"\nsweep: {plain(str(sweep.directory / 'sweep.html'))}")


EXPLANATION = (
    "Differences are in percentage points to the variant's baseline, paired by item and seed, with their 95 % interval. "
    "p items: could these two differ by luck of the questions (sign-flip test)? p seeds: would the recipe win "
    "again with new seeds (paired t-test, which needs a large effect with few seeds)? Both with Holm's correction; * is p "
    "items < 0.05, colour an interval without zero."
)


def job_label(job: Job, keys: Sequence[str]) -> str:
    """What sets a job apart, its seed included."""
    if not job.overrides:
        return "overrides unknown"
    return label({key: job.overrides[key] for key in keys if key in job.overrides})


def _job_table(sweep: Sweep) -> Table:
    table = new_table("jobs")
    table.add_column("#", justify="right", style="dim")
    table.add_column("overrides", overflow="fold")
    for evaluator, metric in sweep.measures:
        table.add_column(plain(f"{evaluator} {metric}"), justify="right")
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("cached", justify="right", no_wrap=True, style="dim")
    keys = varying(sweep.jobs)
    for job in sweep.jobs:
        figures = [_average(job, measure) for measure in sweep.measures]
        ends = [text.seconds(job.seconds), share(job.cached_share)]
        name = plain(job_label(job, keys))
        if job.problem:
            name += f"\n[red]{plain(job.problem)}[/]"
        table.add_row(plain(job.name), name, *figures, *ends)
    return table


def share(value: float | None) -> str:
    """A share as whole percent."""
    return text.DASH if value is None else f"{value:.0%}"


def _average(job: Job, measure: Measure) -> str:
    row = job.scores(measure).get(AVERAGE)
    return f"{text.percent(row.value)} [dim]{text.interval(row.ci95)}[/]" if row else text.DASH


def _variant_table(sweep: Sweep, measure: Measure) -> Table:
    table = new_table(f"{measure[0]} {text.DASH} {measure[1]}, average over tasks")
    table.add_column("variant", min_width=12, overflow="fold")
    for name in ("mean", "sd", "seeds", "difference", "p items", "p seeds"):
        table.add_column(name, justify="right", no_wrap=name != "difference")
    for variant in sweep.ordered():
        one = sweep.comparison(measure, variant.label)
        figures = [text.percent(variant.mean(measure)), text.percent(variant.spread(measure)), str(len(variant.jobs))]
        table.add_row(plain(variant.label), *figures, *_tested(one))
    return table


def _tested(one: Comparison | None) -> tuple[str, str, str]:
    if one is None:
        return "[dim]baseline[/]", "", ""
    difference = f"{text.points(one.difference.estimate)} [dim]{text.points_interval(one.difference.ci95)}[/]"
    return difference, text.p_value(one.p_items_holm), text.p_value(one.p_seeds_holm)


def _task_table(sweep: Sweep, measure: Measure, stratum: Sequence[Variant]) -> Table:
    table = new_table(f"{measure[0]} {text.DASH} {measure[1]} by task")
    table.add_column("task", min_width=12, overflow="fold")
    for variant in stratum:
        table.add_column(plain(variant.label), justify="right")
    for task in [*sweep.tasks(measure), AVERAGE]:
        if task == AVERAGE:
            table.add_section()
        table.add_row(plain(text.words(task)), *(_task_cell(sweep, measure, variant, task) for variant in stratum))
    return table


def _task_cell(sweep: Sweep, measure: Measure, variant: Variant, task: str) -> str:
    mean = text.percent(variant.mean(measure, task))
    one = sweep.comparison(measure, variant.label, task)
    if one is None:
        return mean
    return f"{mean} [{clear(one) or 'dim'}]{text.points(one.difference.estimate)}{star(one)}[/]"


def clear(one: Comparison) -> str:
    """``green`` for a win and ``red`` for a loss whose interval excludes zero, else empty."""
    low, high = one.difference.ci95
    return "green" if low > 0 else "red" if high < 0 else ""


def star(one: Comparison) -> str:
    """``*`` where luck of the items is no explanation."""
    return "*" if one.p_items_holm < 0.05 else ""
