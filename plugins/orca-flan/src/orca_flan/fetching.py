"""Reading the drawn rows out of the sources: shard after shard, each kept on disk before the next is begun.

Which row of its task a row is follows from counting those before it, so shards are read in the order of their names. A shard
leaves its drawn rows as runs (:mod:`orca_flan.merging`) and, last, a receipt with its counts: whatever stops a fetch, the next
one goes on after the last receipt. Processes that fetch the same draw at once write the same files, each in one step.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from orca_core.errors import UserError
from orca_core.store import write_json
from orca_flan.config import Collection
from orca_flan.draw import Draw
from orca_flan.explaining import no_rows, no_tasks
from orca_flan.merging import Placed, write_run
from orca_flan.reading import Meter, Skipping, key_of_rows
from orca_flan.sources.base import Source
from orca_flan.sources.picking import pick

ROWS_PER_RUN: Final = 20_000
CHARS_PER_RUN: Final = 32_000_000
"""A run is in memory until it is written, which is when either of the two is reached."""


@dataclass
class Receipt:
    """What became of the rows of a shard, or of all shards of a collection."""

    rows: Counter[str] = field(default_factory=Counter)
    """By task of the inventory, drawn or not."""
    unlisted: Counter[str] = field(default_factory=Counter)
    """By task that the inventory does not have."""
    passed_over: Counter[str] = field(default_factory=Counter)
    """By template type that is not wanted."""
    taken: int = 0
    multiple_choice: int = 0
    """Of the taken ones."""
    skipped: int = 0
    """Rows that could not be used."""
    runs: int = 0

    def __add__(self, other: Receipt) -> Receipt:
        theirs = vars(other)
        return Receipt.of({name: mine + theirs[name] for name, mine in vars(self).items()})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Receipt:
        """From its JSON."""
        counted: dict[str, Any] = {
            name: Counter(value) if isinstance(value, dict) else value for name, value in values.items()
        }
        return cls(**counted)


class Places:
    """Of one task: where in the draw its rows belong, told row by row as they come by.

    Args:
        index: which rows were drawn, ascending.
        place: their places in the draw.
    """

    def __init__(self, index: NDArray[np.int32], place: NDArray[np.int64]) -> None:
        self._index, self._place = index, place
        self._seen = 0
        self._turn_to(0)

    def pass_by(self, rows: int) -> None:
        """These were looked at in an earlier attempt."""
        self._seen += rows
        self._turn_to(int(np.searchsorted(self._index, self._seen)))

    def next(self) -> int | None:
        """The place of the next row; None: it was not drawn."""
        number, place = self._seen, None
        self._seen += 1
        if number == self._awaited:
            place = int(self._place[self._turn])
            self._turn_to(self._turn + 1)
        return place

    def _turn_to(self, turn: int) -> None:
        self._turn = turn
        self._awaited = int(self._index[turn]) if turn < len(self._index) else -1


def places(draw: Draw) -> dict[str, dict[str, Places]]:
    """The places of every task, by collection and name."""
    order = np.lexsort((draw.index, draw.task))
    index, tasks = draw.index[order], draw.inventory.tasks
    bounds = np.searchsorted(draw.task[order], np.arange(len(tasks) + 1))
    found: dict[str, dict[str, Places]] = {}
    for task, start, end in zip(tasks, bounds[:-1], bounds[1:], strict=True):
        found.setdefault(task.collection, {})[task.name] = Places(index[start:end], order[start:end])
    return found


@dataclass(frozen=True)
class Fetch:
    """The fetch of one collection's drawn rows."""

    name: str
    collection: Collection
    source: Source
    draw: Draw
    places: Mapping[str, Places]
    cache: Path
    skipping: Skipping
    meter: Meter

    def __call__(self) -> tuple[Receipt, list[Path]]:
        """Read what no earlier attempt has read.

        Returns:
            The counts over all shards, and the runs.

        Raises:
            UserError: queries were drawn, and none of them is in the source.
        """
        shards = self.source.shards()
        identity = {"draw": self.draw.fingerprint, "templates": self.collection.templates}
        folder = self.cache / f"rows-{key_of_rows(self.name, self.collection, shards, **identity)}"
        folder.mkdir(parents=True, exist_ok=True)
        total, runs = Receipt(), list[Path]()
        for number, shard in enumerate(shards):
            stem = folder / f"{number:05d}"
            receipt = self._recall(stem) or self._read(stem, shard)
            total += receipt
            runs += _runs(stem, receipt.runs)
        if not total.rows and self.draw.pools[self.name]["taken"]:
            raise UserError(self._nothing(total))
        return total, runs

    def _recall(self, stem: Path) -> Receipt | None:
        """The receipt of an earlier attempt, if all that it tells of is there."""
        path = stem.with_suffix(".json")
        if not path.exists():
            return None
        receipt = Receipt.of(json.loads(path.read_text()))
        if not all(run.exists() for run in _runs(stem, receipt.runs)):
            return None
        for unit, rows in receipt.rows.items():
            self.places[unit].pass_by(rows)
        self.meter(receipt.rows.total())
        return receipt

    def _read(self, stem: Path, shard: str) -> Receipt:
        receipt, before = Receipt(), self.skipping.count
        for rows in _batches(self._drawn(shard, receipt)):
            receipt.runs += 1
            write_run(_runs(stem, receipt.runs)[-1], rows)
        receipt.skipped = self.skipping.count - before
        write_json(stem.with_suffix(".json"), vars(receipt))
        return receipt

    def _drawn(self, shard: str, receipt: Receipt) -> Iterator[Placed]:
        def place(task: str, template: str) -> int | None:
            unit = self.collection.unit(task, template)
            if unit is None:
                receipt.passed_over[template] += 1
                return None
            if (places := self.places.get(unit)) is None:
                receipt.unlisted[unit] += 1
                return None
            self.meter()
            receipt.rows[unit] += 1
            return places.next()

        for placed in pick(self.source, shard, self.skipping, place):
            receipt.taken += 1
            receipt.multiple_choice += placed[1].query.multiple_choice
            yield placed

    def _nothing(self, total: Receipt) -> str:
        if total.unlisted:
            return no_tasks(self.name, total.unlisted, list(self.places))
        return no_rows(self.name, self.collection, total.passed_over)


def _runs(stem: Path, count: int) -> list[Path]:
    return [stem.with_name(f"{stem.name}-{number:03d}.arrow") for number in range(count)]


def _batches(rows: Iterator[Placed]) -> Iterator[list[Placed]]:
    batch: list[Placed] = []
    chars = 0
    for place, row in rows:
        batch.append((place, row))
        chars += len(row.query.text)
        if len(batch) == ROWS_PER_RUN or chars >= CHARS_PER_RUN:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch
