"""What a source is: shards of rows, each a query with the system message that it came with.

A source's config has ``kind`` (its name in YAML) and ``open(collection)``, which gives the source. Rows stay in their
file's order and shards in the order of their names, so that "the 17th query of task x" is the same query on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from orca_core.errors import DataError
from orca_core.records import Query

MAX_CHARS: Final = 1_000_000
"""The longest text of a row, about 100 times a student's context: more is a broken file, not a question."""

Bad = Callable[[DataError], None]
"""Is told of each bad row, with its file and line: raises to stop there, or counts and returns to go on."""


@dataclass(frozen=True, slots=True)
class Row:
    """A query as its source has it. ``query.meta`` holds ``source`` (file) and, where known, ``template``, ``explanation``."""

    query: Query
    system: str = ""
    """The system message that the row carries itself."""

    def unit(self, per_template: bool) -> str:
        """The row's task in the inventory: ``bool_q``, or ``bool_q/zs_opt`` where templates count as tasks of their own."""
        template = self.query.meta.get("template")
        return f"{self.query.task}/{template}" if per_template and template else self.query.task


class Source(Protocol):
    """A collection's rows, in shards that can be read one by one."""

    def shards(self) -> Sequence[str]:
        """Names of the shards, sorted: the same on every machine, in whatever order its file system lists them.

        Raises:
            DataError: there is nothing to read.
        """
        ...

    def read(self, shard: str, bad: Bad) -> Iterator[Row]:
        """Every good row of a shard in order; ``bad`` is told of the others.

        Raises:
            DataError: the shard as a whole cannot be read, or ``bad`` raised it.
        """
        ...


def sound(path: Path | str, rows: Iterable[tuple[int, Row]], bad: Bad) -> Iterator[Row]:
    """The rows (after their line numbers) that a teacher can be asked and a Parquet file can hold; ``bad`` gets the others."""
    for line, row in rows:
        if problem := _problem(row):
            bad(DataError(path, problem, line=line))
        else:
            yield row


def _problem(row: Row) -> str:
    query = row.query
    if not query.text.strip():
        return "the query is empty"
    if not query.task:
        return "the task is empty"
    parts = {"query": query.text, "task": query.task, "target": query.target or "", "system message": row.system}
    parts |= {f"option {number}": choice for number, choice in enumerate(query.choices, start=1)}
    parts |= {f"{key}": value for key, value in query.meta.items() if isinstance(value, str)}
    return next((f"the {name} {what}" for name, text in parts.items() if (what := _fault(text))), "")


def _fault(text: str) -> str:
    if len(text) > MAX_CHARS:
        return f"has {len(text):,} characters; at most {MAX_CHARS:,}"
    if "\0" in text:
        return "holds a NUL character; the file is damaged or not text"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is not a character"
    return ""
