"""What to say of a collection of which nothing can be drawn: which values there are instead of those that are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Final

from orca_core.errors import did_you_mean
from orca_flan.config import Collection
from orca_flan.sources.files import Files
from orca_flan.sources.hub import Hub
from orca_flan.sources.picking import skim

PROBED: Final = 100_000
"""Rows of the first file that are looked through for values."""
SHOWN: Final = 10


def no_rows(name: str, collection: Collection, templates: Mapping[str, int]) -> str:
    """No row is of a wanted template type.

    Args:
        name: of the collection.
        collection: its config.
        templates: how many rows there are of which type.
    """
    if templates:
        wanted = ", ".join(collection.templates or ())
        return f"collections.{name}.templates: no row has one of {wanted}; the source has: {_listed(templates)}"
    source = collection.source
    if isinstance(source, Files | Hub):
        for column, wanted_values in source.where.items():
            values = _values(source, column)
            if not values.keys() & {str(value) for value in wanted_values}:
                return (
                    f"collections.{name}.source.where: no row has '{column}' one of {', '.join(map(str, wanted_values))}; "
                    f"the first file has: {_listed(values)}"
                )
    return f"collections.{name}: its source has no rows" + (
        " that meet 'where'" if getattr(source, "where", {}) else ""
    )


def no_tasks(name: str, unlisted: Mapping[str, int], listed: list[str]) -> str:
    """The inventory has other tasks than the source."""
    unknown = min(unlisted)
    near = did_you_mean(unknown, listed)
    return (
        f"collections.{name}: the inventory lists none of the source's {len(unlisted):,} tasks, such as '{unknown}'"
        f"{near if 'mean' in near else f'; it lists {len(listed):,}, such as {min(listed)!r}'}; "
        "name them alike, or set inventory=null to have the source counted"
    )


def _values(source: Files | Hub, column: str) -> Mapping[str, int]:
    """How often a column has which value: read as if it were the task."""
    columns = source.columns.model_copy(update={"task": column, "template": None})
    probe = source.model_copy(update={"where": {}, "columns": columns}).open("")
    return Counter(value for value, _ in islice(skim(probe, probe.shards()[0], lambda error: None), PROBED))


def _listed(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(most) - SHOWN:,} others" if len(most) > SHOWN else ""
    return ", ".join(f"{value or 'none'} ({rows:,} rows)" for value, rows in most[:SHOWN]) + more
