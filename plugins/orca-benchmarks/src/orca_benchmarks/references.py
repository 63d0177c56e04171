"""What was published on a task: the columns that stand beside our own scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

COUNTS: Final = ("n", "random", "majority")
"""Columns that tell of the data: they are counted anew in what was asked, and held against these by tests."""
ORCA: Final = "Orca-13B"


@dataclass(frozen=True, slots=True)
class Published:
    """A table: tasks by columns, in the paper's unit (percent)."""

    columns: tuple[str, ...]
    tasks: Mapping[str, Mapping[str, float]]
    average: Mapping[str, float]


@cache
def published(suite: str) -> Published:
    """All that was published on a suite; an empty table where nothing was."""
    tables: dict[str, Any] = yaml.safe_load(
        files("orca_benchmarks").joinpath("references.yaml").read_text(encoding="utf-8")
    )
    table = tables.get(suite, {"columns": [], "tasks": {}, "average": []})
    columns = tuple(table["columns"])
    tasks = {task: dict(zip(columns, row, strict=True)) for task, row in table["tasks"].items()}
    return Published(columns, tasks, dict(zip(columns, table["average"], strict=True)))


def references(suite: str, task: str) -> dict[str, float]:
    """Published accuracies of a task as fractions, by their column."""
    row = published(suite).tasks.get(task, {})
    return {column: round(value / 100, 6) for column, value in row.items() if column not in COUNTS}
