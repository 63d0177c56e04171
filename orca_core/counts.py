"""Counting prompts and answers column by column: millions of rows are never made into Python objects.

Every table of counts has a row for each combination of its columns that occurs, with the number of rows in ``n``. Whatever
a report shows of lengths, shares and verdicts is a sum over such a table, so that no figure is an estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from orca_core.errors import DataError
from orca_core.records import DEAD

TASKS: Final = ("collection", "task", "multiple_choice")
MESSAGES: Final = ("collection", "system")
WORDS: Final = ("collection", "system", "words")
"""``words``: of a prompt those of its query, of a trace those of the answer; a dead letter has none."""
TOKENS: Final = ("collection", "system", "completion_tokens")
OUTCOMES: Final = ("collection", "model", "finish_reason", "correct")
EXAMPLES: Final = 3
"""Rows of each collection to look at, of so many collections at most, the first ones by name."""
_EXAMPLE_COLLECTIONS: Final = 50

_PROMPT: Final = ("id", "collection", "task", "system", "query", "target", "query_choices")
_ANSWER: Final = ("response", "model", "finish_reason", "completion_tokens", "correct")
_FEW_VALUES: Final = ("collection", "task", "system", "model", "finish_reason")
_SHOWN: Final = ("id", "collection", "task", "system", "query", "target")
_PARTS: Final = 32
_BATCH: Final = 1 << 16

Table = Any
"""A ``pyarrow.Table``."""


@dataclass(frozen=True)
class Counts:
    """What was counted in the files of a slot."""

    n: int
    by: Mapping[tuple[str, ...], Table]
    """The counts by each of :data:`TASKS`, :data:`MESSAGES`, :data:`WORDS` and, of answers, :data:`TOKENS`, :data:`OUTCOMES`."""
    examples: Sequence[Mapping[str, Any]]
    """Rows of each collection with the smallest ids: ids are hashes, so these are a random few, the same everywhere."""


def count_prompts(paths: Iterable[Path]) -> Counts:
    """Count the prompts in Parquet files that :func:`orca_core.tables.write_prompts` wrote.

    Raises:
        DataError: a file is missing, no Parquet, or lacks a column.
    """
    return _count(paths, _PROMPT, (TASKS, MESSAGES, WORDS))


def count_answers(paths: Iterable[Path]) -> Counts:
    """Count the traces in Parquet files that :func:`orca_core.tables.write_traces` wrote; errors as :func:`count_prompts`."""
    return _count(paths, (*_PROMPT, *_ANSWER), (TASKS, MESSAGES, WORDS, TOKENS, OUTCOMES))


def count_words(texts: Any) -> Any:
    """The number of words, separated by ASCII white space, of each text of an Arrow array."""
    import pyarrow.compute as pc

    trimmed = pc.ascii_trim_whitespace(texts)
    words = pc.list_value_length(pc.ascii_split_whitespace(trimmed))
    return pc.if_else(pc.equal(pc.binary_length(trimmed), 0), 0, words)


def add_up(table: Table, *columns: str) -> Table:
    """The counts by fewer columns."""
    return table.group_by(list(columns), use_threads=False).aggregate([("n", "sum")]).rename_columns([*columns, "n"])


def most_only(table: Table, column: str, limit: int, others: str) -> Table:
    """The table with all but the ``limit`` most frequent values of a column replaced by ``others``; counts are kept."""
    import pyarrow as pa
    import pyarrow.compute as pc

    totals = add_up(table, column).sort_by([("n", "descending"), (column, "ascending")])
    if totals.num_rows <= limit:
        return table
    kept = pc.is_in(table[column], value_set=totals[column].slice(0, limit).combine_chunks())
    replaced = pc.if_else(kept, table[column], pa.scalar(others))
    return table.set_column(table.schema.get_field_index(column), column, replaced)


class _Tally:
    """The counts by some columns, added up over batches. A row with no value in the last column is not counted,
    unless that column is a verdict."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)
        self.parts: list[Table] = []

    def add(self, batch: Table) -> None:
        import pyarrow as pa

        part = batch.select(self.columns).group_by(self.columns, use_threads=False).aggregate([([], "count_all")])
        part = part.rename_columns([*self.columns, "n"])
        for index, field in enumerate(part.schema):  # dictionaries of several files do not go together
            if pa.types.is_dictionary(field.type):
                part = part.set_column(index, field.name, part[field.name].cast(pa.string()))
        self.parts.append(part)
        if len(self.parts) == _PARTS:
            self.parts = [self.total()]

    def total(self) -> Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        total = add_up(pa.concat_tables(self.parts), *self.columns)
        last = self.columns[-1]
        return total if last == "correct" else total.filter(pc.is_valid(total[last]))


def _count(paths: Iterable[Path], columns: Sequence[str], tallied: Sequence[tuple[str, ...]]) -> Counts:
    tallies = {keys: _Tally(keys) for keys in tallied}
    n, examples = 0, None
    for batch in _batches(paths, columns):
        n += batch.num_rows
        derived = _derived(batch)
        for tally in tallies.values():
            tally.add(derived)
        examples = _first_ids(batch, examples)
    if examples is None:
        return Counts(0, {}, ())
    rows = examples.sort_by([("collection", "ascending"), ("id", "ascending")]).to_pylist()
    return Counts(n, {keys: tally.total() for keys, tally in tallies.items()}, rows)


def _batches(paths: Iterable[Path], columns: Sequence[str]) -> Iterator[Table]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        try:
            missing = set(columns) - set(pq.read_schema(path).names)
            if missing:
                raise DataError(path, f"column '{min(missing)}' is missing; delete the file and run again")
            with pq.ParquetFile(path, read_dictionary=[name for name in columns if name in _FEW_VALUES]) as file:
                for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns), use_threads=False):
                    if batch.num_rows:
                        yield pa.Table.from_batches([batch])
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(path, f"not a readable Parquet file ({error}); delete it and run again") from error


def _derived(batch: Table) -> Table:
    """The batch's short columns, with texts replaced by their lengths."""
    import pyarrow as pa
    import pyarrow.compute as pc

    options = pc.fill_null(pc.list_value_length(batch["query_choices"]), 0)
    found = {name: batch[name] for name in ("collection", "task", "system")}
    found["multiple_choice"] = pc.greater(options, 0)
    if "response" in batch.column_names:
        dead = pc.equal(batch["finish_reason"].cast(pa.string()), DEAD)
        found |= {name: batch[name] for name in ("model", "finish_reason", "completion_tokens", "correct")}
        found["words"] = pc.if_else(dead, None, count_words(batch["response"]))
    else:
        found["words"] = count_words(batch["query"])
    return pa.table(found)


def _first_ids(batch: Table, before: Table | None) -> Table:
    """The rows of each collection with the smallest ids among a batch and the rows chosen before it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shown = [name for name in (*_SHOWN, "response", "finish_reason") if name in batch.column_names]
    rows = batch.select(shown)
    names = rows["collection"].cast(pa.string())
    chosen = []
    for name in sorted(pc.unique(names).to_pylist())[:_EXAMPLE_COLLECTIONS]:
        places = pc.indices_nonzero(pc.equal(names, name))
        ids = pa.table({"id": rows["id"].take(places)})
        chosen.append(places.take(pc.select_k_unstable(ids, EXAMPLES, sort_keys=[("id", "ascending")])))
    few = rows.take(pa.concat_arrays(chosen))
    for index, field in enumerate(few.schema):
        few = few.set_column(index, field.name, few[field.name].cast(pa.string()))
    return few if before is None else _first_ids(pa.concat_tables([before, few]), None)
