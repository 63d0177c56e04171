"""Rows out of Arrow tables: only those that are wanted become Python objects with their texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from orca_core.errors import DataError
from orca_core.files import missing
from orca_flan.sources.base import Bad, Row, sound
from orca_flan.sources.mapping import Mapped
from orca_flan.sources.picking import Wanted

ROWS_PER_TABLE: Final = 1000


class Tabular:
    """The tables of one shard.

    Args:
        config: what the columns are.
        collection: that the queries belong to.
        place: what messages call the shard.
        source: its name for ``meta["source"]``.
        task: of the rows, if no column tells it.
    """

    def __init__(self, config: Mapped, collection: str, place: Path | str, source: str, task: str) -> None:
        self._config, self._collection = config, collection
        self._place, self._source, self._task = place, source, task

    def skim(self, tables: Iterable[Any], bad: Bad) -> Iterator[tuple[str, str]]:
        """Task and template type of every row that ``where`` lets through; the tables need no texts."""
        for start, table in self._numbered(tables, bad):
            for _, task, template in self._light(start, table, bad):
                yield task, template

    def pick(self, tables: Iterable[Any], bad: Bad, wanted: Wanted) -> Iterator[tuple[int, Row]]:
        """The rows that have a place, with it."""
        for start, table in self._numbered(tables, bad):
            light = self._light(start, table, bad)
            places = {
                number: place for number, task, template in light if (place := wanted(task, template)) is not None
            }
            texts = table.take([number - start for number in places]).to_pylist() if places else []
            for (number, place), values in zip(places.items(), texts, strict=True):
                for row in sound(self._place, self._row(number, values, bad), bad):
                    yield place, row

    def _light(self, start: int, table: Any, bad: Bad) -> Iterator[tuple[int, str, str]]:
        config = self._config
        needed = [name for name in config.needed(texts=False) if name in table.column_names]
        rows = table.select(needed).to_pylist() if needed else [{}] * len(table)
        for number, values in enumerate(rows, start):
            try:
                if config.wants(values):
                    yield number, config.task(values, self._task), config.template(values)
            except (KeyError, TypeError, ValueError) as error:
                bad(self._wrong(number, error, values))

    def _row(self, number: int, values: dict[str, Any], bad: Bad) -> Iterator[tuple[int, Row]]:
        try:
            yield number, self._config.row(values, self._collection, self._source, self._task)
        except (KeyError, TypeError, ValueError) as error:
            bad(self._wrong(number, error, values))

    def _wrong(self, number: int, error: Exception, values: dict[str, Any]) -> DataError:
        what = missing(str(error.args[0]), values) if isinstance(error, KeyError) else str(error)
        return DataError(self._place, what, line=number)

    def _numbered(self, tables: Iterable[Any], bad: Bad) -> Iterator[tuple[int, Any]]:
        """Tables with the number of their first row, from 1."""
        start = 1
        for table in tables:
            yield start, table
            start += len(table)
        if start == 1:
            bad(DataError(self._place, "the file has no rows"))


def tables(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """A Parquet file's rows, of these columns alone.

    Raises:
        DataError: it is not a readable Parquet file, or has no such column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_columns(path, columns, file.schema_arrow.names)
            for batch in file.iter_batches(ROWS_PER_TABLE, columns=list(columns) or None):
                yield pa.Table.from_batches([batch])
    except FileNotFoundError:
        raise DataError(path, "no such file") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(path, f"not a readable Parquet file ({error})") from error


def check_columns(place: Path | str, wanted: Sequence[str], there: Sequence[str]) -> None:
    """Raises a DataError for the first column that is wanted and not there."""
    for name in wanted:
        if name not in there:
            raise DataError(place, missing(name, dict.fromkeys(there)))
