"""Reading drawn rows and no others: of the millions that pass by, only a task and a template type are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from orca_flan.sources.base import Bad, Row, Source

Wanted = Callable[[str, str], int | None]
"""The place of a row in the draw, given its task and template type; None: it was not drawn. Asked once of each row in order."""


@runtime_checkable
class Picks(Protocol):
    """A source in which a row's task can be told without making a query of it."""

    def skim(self, shard: str, bad: Bad) -> Iterator[tuple[str, str]]:
        """Task and template type of every row of a shard."""
        ...

    def pick(self, shard: str, bad: Bad, wanted: Wanted) -> Iterator[tuple[int, Row]]:
        """The rows that have a place, with it. Only they can be bad ones, but for a task that cannot be told."""
        ...


def skim(source: Source, shard: str, bad: Bad) -> Iterator[tuple[str, str]]:
    """Task and template type of every row of a shard."""
    if isinstance(source, Picks):
        return source.skim(shard, bad)
    return ((row.query.task, row.query.meta.get("template") or "") for row in source.read(shard, bad))


def pick(source: Source, shard: str, bad: Bad, wanted: Wanted) -> Iterator[tuple[int, Row]]:
    """The rows of a shard that have a place, with it."""
    if isinstance(source, Picks):
        yield from source.pick(shard, bad, wanted)
        return
    for row in source.read(shard, bad):
        if (place := wanted(row.query.task, row.query.meta.get("template") or "")) is not None:
            yield place, row
