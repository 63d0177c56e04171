"""Scores and comparisons pivoted for showing: per evaluator and metric one table, a row per task, a column per subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orca_core.report.model import BASE, STUDENT, Report, ScoreRow
from orca_core.report.subjects import Paired
from orca_core.report.text import known
from orca_core.stats import AVERAGE


@dataclass(frozen=True)
class TaskRow:
    """One task of a table; ``cells`` by subject."""

    task: str
    cells: Mapping[str, ScoreRow]
    main: ScoreRow
    """The student's score (the first subject's if the student has none): whose n and format share are shown."""
    chance: float | None
    references: Mapping[str, float | None]

    @property
    def is_average(self) -> bool:
        return self.task == AVERAGE


@dataclass(frozen=True)
class ScoreTable:
    """All scores of one evaluator in one metric; the average is the last row."""

    evaluator: str
    metric: str
    subjects: tuple[str, ...]
    references: tuple[str, ...]
    rows: tuple[TaskRow, ...]
    is_share: bool
    """Whether every figure lies in [0, 1], so that it shows as a percentage."""

    @property
    def average(self) -> TaskRow | None:
        return next((row for row in self.rows if row.is_average), None)

    @property
    def main(self) -> str:
        """The subject that the table is about."""
        return STUDENT if STUDENT in self.subjects else self.subjects[0]


def score_tables(report: Report) -> list[ScoreTable]:
    """The tables of a report, in the order in which evaluators and metrics first occur."""
    groups: dict[tuple[str, str], list[ScoreRow]] = {}
    for score in report.scores:
        groups.setdefault((score.evaluator, score.metric), []).append(score)
    return [_table(evaluator, metric, scores) for (evaluator, metric), scores in groups.items()]


def subject_order(subjects: Iterable[str]) -> list[str]:
    """The untrained model, the student, then the teachers as they come."""
    rank = {BASE: 0, STUDENT: 1}
    return sorted(dict.fromkeys(subjects), key=lambda subject: rank.get(subject, 2))


def at_chance(score: ScoreRow) -> bool:
    """Whether the score's interval reaches down to chance."""
    low = score.ci95[0] if score.ci95 else None
    return low is not None and score.chance is not None and low <= score.chance


def _table(evaluator: str, metric: str, scores: list[ScoreRow]) -> ScoreTable:
    subjects = subject_order(score.subject for score in scores)
    by_task: dict[str, dict[str, ScoreRow]] = {}
    for score in scores:
        by_task.setdefault(score.task, {})[score.subject] = score
    rows = [_row(task, cells) for task, cells in by_task.items()]
    references = dict.fromkeys(name for row in rows for name in row.references)
    figures = [v for score in scores for v in (score.value, *(score.ci95 or ())) if v is not None and known(v)]
    return ScoreTable(
        evaluator=evaluator,
        metric=metric,
        subjects=tuple(subjects),
        references=tuple(references),
        rows=tuple(sorted(rows, key=lambda row: row.is_average)),
        is_share=all(0 <= figure <= 1 for figure in figures),
    )


def _row(task: str, cells: dict[str, ScoreRow]) -> TaskRow:
    main = cells.get(STUDENT) or next(iter(cells.values()))
    references = {name: value for score in cells.values() for name, value in score.references.items()}
    chance = next((score.chance for score in cells.values() if score.chance is not None), None)
    return TaskRow(task, cells, main, chance, references)


@dataclass(frozen=True)
class PairedTable:
    """All comparisons of one evaluator in one metric: a row per task, the average last, a column per subject held against."""

    evaluator: str
    metric: str
    subject: str
    others: tuple[str, ...]
    tasks: tuple[str, ...]
    cells: Mapping[tuple[str, str], Paired]
    """By (task, subject held against)."""

    def headline(self, other: str) -> Paired | None:
        """The average against a subject; the task's where there is one alone."""
        return self.cells.get((self.tasks[-1], other))

    def told(self, other: str, sign: int) -> int:
        """In how many tasks the corrected test tells the two apart, the subject being better (1) or worse (-1)."""
        found = (self.cells.get((task, other)) for task in self.tasks if task != AVERAGE)
        return sum(cell is not None and cell.told == sign for cell in found)


def paired_tables(report: Report) -> dict[tuple[str, str], PairedTable]:
    """The comparisons of a report by (evaluator, metric)."""
    groups: dict[tuple[str, str], list[Paired]] = {}
    for row in report.comparisons:
        groups.setdefault((row.evaluator, row.metric), []).append(row)
    return {key: _paired_table(*key, rows) for key, rows in groups.items()}


def _paired_table(evaluator: str, metric: str, rows: list[Paired]) -> PairedTable:
    return PairedTable(
        evaluator=evaluator,
        metric=metric,
        subject=rows[0].subject,
        others=tuple(dict.fromkeys(row.against for row in rows)),
        tasks=tuple(sorted(dict.fromkeys(row.task for row in rows), key=lambda task: task == AVERAGE)),
        cells={(row.task, row.against): row for row in rows},
    )
