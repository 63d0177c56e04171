"""How many queries each task has: what a draw is planned from, before any text is read.

Two kinds of file (CSV, JSONL or Parquet) with the columns ``collection``, ``task`` and one of

- ``zero_shot_queries``: FLAN's own counts, the same for each zero-shot template type; :class:`Shape` says what becomes of them;
- ``queries``: counts of the tasks as they are drawn from, which :meth:`Inventory.csv` writes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from orca_core.errors import DataError, UserError, did_you_mean
from orca_core.files import read_records

EXACT: Final = "queries"
PER_TEMPLATE: Final = "zero_shot_queries"
LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Task:
    """What Algorithm 1 chooses among: a task or, where they count as tasks of their own, one of its template types."""

    collection: str
    name: str
    """``bool_q``, or ``bool_q/zs_opt`` of one template type."""
    size: int
    """Queries; none is allowed, and then none is drawn."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Which template types a collection has, and whether each of them is a task of its own (Flan 2021: 142 of 71)."""

    templates: tuple[str, ...]
    per_template: bool = False

    def tasks(self, collection: str, name: str, size: int) -> list[Task]:
        """The tasks of one with ``size`` queries of each template type."""
        if self.per_template:
            return [Task(collection, unit(name, template), size) for template in self.templates]
        return [Task(collection, name, size * len(self.templates))]


class Pool(NamedTuple):
    """What there is to draw from in a collection."""

    tasks: int
    queries: int
    capped: int
    """Queries where each task gives at most its cap."""


class Inventory:
    """Tasks in canonical order: collections as asked for, then names by code point, whatever the order they came in.

    Args:
        tasks: in any order.
        collections: that there may be, in their order.

    Raises:
        UserError: a collection that is asked for has no tasks.
    """

    def __init__(self, tasks: Iterable[Task], collections: Iterable[str]) -> None:
        rank = {collection: place for place, collection in enumerate(collections)}
        found = list(tasks)
        self.tasks = tuple(
            sorted((t for t in found if t.collection in rank), key=lambda t: (rank[t.collection], t.name))
        )
        self.collections = tuple(rank)
        known = {task.collection for task in found}
        for absent in sorted(rank.keys() - known):
            raise UserError(f"no tasks of collection '{absent}'{did_you_mean(absent, known)}")

    @classmethod
    def counted(cls, counts: Mapping[tuple[str, str], int], collections: Iterable[str]) -> Inventory:
        """From queries counted by (collection, task name)."""
        return cls((Task(collection, name, size) for (collection, name), size in counts.items()), collections)

    def pool(self, collection: str, cap: int | None = None) -> Pool:
        """The totals of a collection."""
        sizes = [task.size for task in self.tasks if task.collection == collection]
        return Pool(len(sizes), sum(sizes), sum(sizes if cap is None else (min(size, cap) for size in sizes)))

    def csv(self) -> str:
        """As a file that :func:`read_inventory` reads back."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["collection", "task", EXACT])
        writer.writerows((task.collection, task.name, task.size) for task in self.tasks)
        return text.getvalue()


def unit(task: str, template: str) -> str:
    """The name of a template type as a task of its own."""
    return f"{task}/{template}"


def read_inventory(path: Path, shapes: Mapping[str, Shape]) -> Inventory:
    """The tasks of the collections in ``shapes``; rows of others are passed over.

    Raises:
        DataError: a row is malformed or a second one of its task (with its line), or a collection has no rows.
    """
    tasks: dict[tuple[str, str], Task] = {}
    known = set()
    for line, (collection, name, size, exact) in read_records(path, _parse):
        known.add(collection)
        shape = shapes.get(collection)
        if shape is None:
            continue
        for task in [Task(collection, name, size)] if exact else shape.tasks(collection, name, size):
            _check(path, line, task, shape)
            if (collection, task.name) in tasks:
                raise DataError(path, f"a second row for task '{name}' of {collection}; keep one of them", line=line)
            tasks[collection, task.name] = task
    for absent in sorted(shapes.keys() - known):
        raise DataError(path, f"no rows of collection '{absent}'{did_you_mean(absent, known)}")
    return Inventory(tasks.values(), shapes)


def _check(path: Path, line: int, task: Task, shape: Shape) -> None:
    if task.size > LARGEST:
        raise DataError(path, f"{task.size:,} queries in a task; at most {LARGEST:,} can be drawn from", line=line)
    if shape.per_template and task.name.rpartition("/")[2] not in shape.templates:
        raise DataError(
            path,
            f"task '{task.name}' names no template type, and in {task.collection} each of them is a task of its own; "
            f"write e.g. '{unit(task.name, shape.templates[0])}', or set per_template to false",
            line=line,
        )


def _parse(row: Mapping[str, Any]) -> tuple[str, str, int, bool]:
    exact = EXACT in row
    column = EXACT if exact else PER_TEMPLATE
    return _name(row, "collection"), _name(row, "task"), _count(row[column], column), exact


def _name(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"column '{column}' must be a name, not {value!r}")
    return value.strip()


def _count(value: Any, column: str) -> int:
    text = str(value).strip()
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise ValueError(f"column '{column}' must be a whole number of queries, 0 or more, not {value!r}")
    return int(text)
