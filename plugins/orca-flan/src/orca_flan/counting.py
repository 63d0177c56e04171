"""How many queries each task has, counted from the sources themselves where no inventory tells; each shard is read once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from orca_core.errors import UserError
from orca_core.store import write_json
from orca_flan.config import Collection
from orca_flan.explaining import no_rows
from orca_flan.inventory import Inventory
from orca_flan.reading import Meter, Skipping, key_of_rows
from orca_flan.sources.base import Source
from orca_flan.sources.picking import skim

Counts = Mapping[str, Mapping[str, int]]
"""Rows by template type and task."""


def count_tasks(
    collections: Mapping[str, Collection], sources: Mapping[str, Source], cache: Path, skipping: Skipping, meter: Meter
) -> Inventory:
    """The inventory of what the sources hold. What was counted of a shard is kept in ``cache``, by content.

    Raises:
        UserError: a collection has no row of the template types that are wanted.
    """
    units: Counter[tuple[str, str]] = Counter()
    for name, collection in collections.items():
        templates: Counter[str] = Counter()
        found = 0
        for counts in _shards(name, collection, sources[name], cache, skipping, meter):
            for template, tasks in counts.items():
                templates[template] += sum(tasks.values())
                for task, rows in tasks.items():
                    if unit := collection.unit(task, template):
                        units[name, unit] += rows
                        found += rows
        if not found:
            raise UserError(no_rows(name, collection, templates))
    return Inventory.counted(units, collections)


def _shards(
    name: str, collection: Collection, source: Source, cache: Path, skipping: Skipping, meter: Meter
) -> Iterator[Counts]:
    shards = source.shards()
    folder = cache / f"counts-{key_of_rows(name, collection, shards)}"
    folder.mkdir(parents=True, exist_ok=True)
    for number, shard in enumerate(shards):
        path = folder / f"{number:05d}.json"
        if not path.exists():
            write_json(path, _count(shard, source, skipping, meter))
        yield json.loads(path.read_text())


def _count(shard: str, source: Source, skipping: Skipping, meter: Meter) -> Counts:
    counts: dict[str, Counter[str]] = {}
    for task, template in skim(source, shard, skipping):
        counts.setdefault(template, Counter())[task] += 1
        meter()
    return counts
