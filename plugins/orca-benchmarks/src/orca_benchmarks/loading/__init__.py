"""Loads the items of a suite's tasks and draws from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from orca_benchmarks.items import Item
from orca_benchmarks.loading.rows import Row, read_files, read_hub
from orca_core.errors import UserError
from orca_core.records import content_id

if TYPE_CHECKING:
    from orca_benchmarks.suites import Suite


def load(suite: Suite, tasks: Sequence[str], path: Path | None, dataset: str) -> Iterator[tuple[str, list[Item]]]:
    """Each task with all its items in the order of the data.

    Args:
        suite: the benchmark.
        tasks: which of its tasks; of a single file, the one that it is named after.
        path: a file, or a directory with one per task; None: the Hub.
        dataset: the data set's name on the Hub, in which ``{task}`` is replaced.

    Raises:
        DataError: a file cannot be used; says why, with its line.
        UserError: the Hub's data set cannot be read.
    """
    for task, rows in _sources(suite, tasks, path, dataset):
        _refuse_repeats(suite, rows)
        yield task, [suite.parse(task, row) for row in rows]


def drawn(items: list[Item], n: int | None, seed: int) -> list[Item]:
    """``n`` of a task's items, drawn without replacement, in the order of the data; all of them for None.

    Raises:
        UserError: there are fewer.
    """
    if n is None:
        return items
    if n > len(items):
        raise UserError(f"{items[0].task}: has {len(items)} items, {n} were asked for")
    places = Random(f"{seed}/{items[0].task}").sample(range(len(items)), n)
    return [items[place] for place in sorted(places)]


def _sources(suite: Suite, tasks: Sequence[str], path: Path | None, dataset: str) -> Iterator[tuple[str, list[Row]]]:
    if path is not None:
        yield from read_files(path, tasks)
        return
    for task in tasks:
        subset = suite.subset.format(task=task) if suite.subset else None
        yield task, read_hub(dataset.format(task=task), subset, suite.split)


def _refuse_repeats(suite: Suite, rows: Sequence[Row]) -> None:
    """No row twice, but for those that the published files repeat."""
    seen: Counter[str] = Counter()
    lines: dict[str, int] = {}
    for row in rows:
        if (identity := suite.identity(row)) is None:
            continue
        key = content_id(identity)
        if seen[key] >= 1 + (key in suite.repeated):
            row.fail(f"repeats the item of line {lines[key]}")
        seen[key] += 1
        lines.setdefault(key, row.line)
