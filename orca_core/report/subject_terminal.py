"""The subjects of a run against each other, as tables in a terminal: the averages; tasks and cases are on the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orca_core.report import text
from orca_core.report.model import Report
from orca_core.report.tables import new_table, plain
from orca_core.report.views import PairedTable
from orca_core.stats import AVERAGE

if TYPE_CHECKING:
    from rich.table import Table

EXPLANATION: Final = (
    "points: paired by question; p: McNemar or sign flip, Holm's correction over all tasks (on the page); noise under: a smaller "
    "difference is mostly missed with so many items"
)


def paired_table(paired: PairedTable) -> Table:
    """A row per subject held against: the average, and in how many tasks the two can be told apart."""
    table = new_table(f"{paired.subject} against")
    table.add_column("", overflow="fold")
    for name in ("points", "p", "noise under", "n"):
        table.add_column(name, justify="right", no_wrap=name != "points")
    tasks = sum(task != AVERAGE for task in paired.tasks)
    if tasks > 1:
        for name in ("better in", "worse in"):
            table.add_column(name, justify="right")
    for other in paired.others:
        if (row := paired.headline(other)) is None:
            continue
        style = {1: "green", -1: "red", 0: "default"}[row.told]
        points = f"[{style}]{text.points(row.estimate)}[/] [dim]{text.points_interval(row.ci95)}[/]"
        figures = [points, text.p_value(row.p_holm), text.percent(row.detectable), text.count(row.n)]
        told = [f"{paired.told(other, sign)} of {tasks}" for sign in (1, -1)] if tasks > 1 else []
        table.add_row(plain(other), *figures, *told)
    return table


def disagreement_table(report: Report) -> Table | None:
    """A row per evaluator, metric and teacher; None where there is nothing to hold against each other."""
    if not report.disagreement:
        return None
    table = new_table("who is right, items")
    table.add_column("evaluator", overflow="fold")
    table.add_column("teacher", overflow="fold")
    for name in ("both", "only student", "only teacher", "neither", "same wrong"):
        table.add_column(name, justify="right")
    for section in report.disagreement:
        counts = section.all
        figures = (counts.both, counts.only_student, counts.only_teacher, counts.neither, counts.same_wrong)
        table.add_row(
            plain(f"{section.evaluator} {section.metric}"), plain(section.teacher), *(text.count(n) for n in figures)
        )
    return table
