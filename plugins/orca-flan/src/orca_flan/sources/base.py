"""What a source is: shards of rows, each a query with the system message that it came with.

A source's config has ``kind`` (its name in YAML) and ``open(collection)``, which gives the source. Rows stay in their
file's order and shards in the order of their names, so that "the 17th query of task x" is the same query on every machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from orca_core.errors import DataError, did_you_mean
from orca_core.records import Query
from orca_core.verify import gold_option
from orca_flan.verifier import is_open

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


def files_in(path: Path, pattern: str) -> list[str]:
    """A directory's files of that pattern, as sorted POSIX paths below it; of a file, its name.

    Raises:
        DataError: there is no such path, or no such file in it.
    """
    if path.is_file():
        return [path.name]
    if not path.is_dir():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(path, f"no such file or directory{near if 'mean' in near else ''}")
    try:
        names = sorted(inner.relative_to(path).as_posix() for inner in path.glob(pattern) if inner.is_file())
    except (NotImplementedError, ValueError) as error:
        raise DataError(path, f"'{pattern}' is no pattern of files below it ({error}); write e.g. '*.jsonl'") from None
    if not names:
        raise DataError(path, f"no file in this directory is called {pattern}")
    return names


def gold(target: str | None, choices: Sequence[str], more: Sequence[str] = ()) -> dict[str, Any]:
    """What ``meta`` holds about a gold target: other targets that are as good, and the verifier that can deal with them."""
    if target is None:
        return {}
    meta: dict[str, Any] = {"targets": list(more)} if more else {}
    plain = gold_option(target, choices) is not None if choices else not is_open(target, choices)
    return meta if plain and not more else meta | {"verifier": "flan"}


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
    if query.target is not None and not query.target.strip():
        return "the target is empty"
    parts = {"query": query.text, "task": query.task, "target": query.target or "", "system message": row.system}
    parts |= {f"option {number}": choice for number, choice in enumerate(query.choices, start=1)}
    parts |= {f"other target {number}": other for number, other in enumerate(query.meta.get("targets", ()), start=1)}
    parts |= {key: value for key, value in query.meta.items() if isinstance(value, str)}
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
