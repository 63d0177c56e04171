"""The report as tables in a terminal, fitted to its width: what does not fit beside the scores goes below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from orca_core.report import text
from orca_core.report.model import Report, ScoreRow, parse
from orca_core.report.subject_terminal import EXPLANATION, disagreement_table, paired_table
from orca_core.report.tables import new_table, plain
from orca_core.report.views import ScoreTable, at_chance, paired_tables, score_tables

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_TASK_WIDTH: Final = 14
"""The least width at which task names wrap well."""


def print_report(report: Report | Mapping[str, Any], console: Console) -> None:
    """Print scores per evaluator, what was drawn and what became of it, then the stages.

    ``report`` is a :class:`Report` or decoded ``report.json``.
    """
    from orca_core.report.draw_terminal import data_tables

    report = parse(report)
    console.print(f"[bold]{plain(report.name)}[/] [dim]{plain(text.moment(report.created))}[/]")
    if report.overrides:
        console.print(f"[cyan]{plain(' '.join(report.overrides))}[/]")
    comparisons = paired_tables(report)
    for scores in score_tables(report):
        console.print()
        _print_scores(scores, console)
        if paired := comparisons.get((scores.evaluator, scores.metric)):
            console.print("", paired_table(paired), sep="\n")
    if comparisons:
        console.print(f"[dim]{EXPLANATION}[/]")
    if disagreements := disagreement_table(report):
        console.print("", disagreements, sep="\n")
    for table in data_tables(report, console.width):
        console.print()
        console.print(table)
    if not report.scores and report.curriculum:
        console.print("\nno scores: the run has no evaluator, or none that gave a score")
    if report.stages:
        console.print()
        console.print(_stage_table(report))


def _print_scores(scores: ScoreTable, console: Console) -> None:
    """The fullest form that fits: every interval and reference; the student's interval; references in a table of their own."""
    forms = [(scores.subjects, scores.references), ((scores.main,), scores.references), ((scores.main,), ()), ((), ())]
    for with_interval, references in forms:
        columns = _columns(scores, with_interval, references)
        if _TASK_WIDTH + sum(column.width + 2 for column in columns) <= console.width:
            break
    console.print(_score_table(scores, columns))
    if scores.references and not references:
        console.print(_score_table(scores, _references(scores, scores.references), "published figures"))
    if notes := [f"{text.words(row.task)}: {text.clean(row.main.note)}" for row in scores.rows if row.main.note]:
        console.print(f"[dim]{plain('; '.join(notes))}[/]")
    unit = "%, " if scores.is_share else ""
    console.print(
        f"[dim]{unit}95 % interval; ~ not above chance; form: {plain(scores.main)}'s answers that could be read[/]"
    )


@dataclass(frozen=True)
class _Column:
    """A column of figures, one per row of the score table."""

    header: str
    cells: Sequence[str]
    style: str = ""
    extra: Sequence[str] = ()
    """What follows each figure in small: its interval."""

    @property
    def width(self) -> int:
        pairs = (
            [f"{cell} {extra}" for cell, extra in zip(self.cells, self.extra, strict=True)]
            if self.extra
            else self.cells
        )
        return max(map(len, (self.header, *pairs)))


def _columns(scores: ScoreTable, with_interval: Sequence[str], references: Sequence[str]) -> list[_Column]:
    rows, is_share = scores.rows, scores.is_share
    columns = []
    for subject in scores.subjects:
        cells = [row.cells.get(subject) for row in rows]
        bounds = [text.interval(cell.ci95 if cell else None, is_share) for cell in cells]
        style = "bold" if subject == scores.main else ""
        extra = bounds if subject in with_interval else ()
        columns.append(_Column(subject, [_value(cell, is_share) for cell in cells], style, extra))
    columns.append(_Column("chance", [text.figure(row.chance, is_share) for row in rows], "dim"))
    columns.append(_Column("form", [text.percent(row.main.format_ok) for row in rows], "dim"))
    columns.append(_Column("n", [text.items(row.main.n, row.main.clusters) for row in rows], "dim"))
    return columns + _references(scores, references)


def _references(scores: ScoreTable, names: Sequence[str]) -> list[_Column]:
    is_share = scores.is_share
    return [
        _Column(name, [text.figure(row.references.get(name), is_share) for row in scores.rows], "cyan")
        for name in names
    ]


def _score_table(scores: ScoreTable, columns: Sequence[_Column], title: str = "") -> Table:
    table = new_table(title or f"{scores.evaluator} {text.DASH} {scores.metric}")
    table.add_column("task", min_width=_TASK_WIDTH, overflow="fold")
    for column in columns:
        table.add_column(plain(column.header), justify="right", min_width=column.width, style=column.style)
    for index, row in enumerate(scores.rows):
        if row.is_average:
            table.add_section()
        table.add_row(plain(text.words(row.task)), *(_markup(column, index) for column in columns))
    return table


def _markup(column: _Column, row: int) -> str:
    extra = f" [not bold dim]{column.extra[row]}[/]" if column.extra else ""
    return column.cells[row] + extra


def _value(score: ScoreRow | None, is_share: bool) -> str:
    if score is None:
        return text.DASH
    return ("~" if at_chance(score) else "") + text.figure(score.value, is_share)


def _stage_table(report: Report) -> Table:
    table = new_table("stages")
    table.add_column("stage", overflow="fold")
    table.add_column("key", style="dim", no_wrap=True)
    table.add_column("took", justify="right", no_wrap=True)
    for stage in report.stages:
        table.add_row(
            plain(stage.name), plain(stage.key[:8]), "[dim]cached[/]" if stage.cached else text.seconds(stage.seconds)
        )
    spent = sum(stage.seconds or 0 for stage in report.stages if not stage.cached)
    table.add_section()
    table.add_row("all", "", text.seconds(spent))
    return table
