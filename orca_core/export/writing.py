"""Traces as the files of a data set: strictly what the format documents, and beside it the details it has no place for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from orca_core.formats import Format
from orca_core.records import Trace
from orca_core.tables import TRACE_COLUMNS, arrow_schema, trace_row

BATCH_BYTES: Final = 16_000_000
BATCH_ROWS: Final = 10_000
"""The rows that are in memory at once: so many, or so much text."""
SHARD_BYTES: Final = 400_000_000
"""Text in one file, which makes less than 512 MB of JSON: OpenAI takes no more."""


def write_shards(traces: Iterable[Trace], format: Format, data: Path, details: Path) -> int:
    """Write traces as ``data/train-00000-of-0000N`` and ``details/train-00000-of-0000N.parquet``, row by row alike.

    Args:
        traces: each held no longer than until its batch is written.
        format: of the data files.
        data: the folder for them; made.
        details: the folder for the id and the columns that the format has no place for; made if there are such columns.

    Returns:
        How many there were.
    """
    columns = format.details
    folders = {data: format.suffix} | ({details: ".parquet"} if columns else {})
    for folder in folders:
        folder.mkdir(parents=True)
    count = shards = 0
    for number, batches in groupby(_batches(traces), itemgetter(0)):
        with ExitStack() as stack:
            rows_to = _open(stack, data / f"{number}{format.suffix}", TRACE_COLUMNS)
            more_to = _open(stack, details / f"{number}.parquet", columns) if columns else None
            for _, batch in batches:
                rows_to.write([_row(format, trace) for trace in batch])
                if more_to:
                    more_to.write([{name: row[name] for name in columns} for row in map(trace_row, batch)])
                count += len(batch)
        shards = number + 1
    for folder, suffix in folders.items():
        for number in range(shards):
            (folder / f"{number}{suffix}").rename(folder / f"train-{number:05d}-of-{shards:05d}{suffix}")
    return count


def _row(format: Format, trace: Trace) -> Mapping[str, Any]:
    assert format.write is not None, f"{format.name} is only read"
    return format.write(trace)


def _batches(traces: Iterable[Trace]) -> Iterator[tuple[int, list[Trace]]]:
    """Traces by the number of the file that they go to, some megabytes at once."""
    batch: list[Trace] = []
    shard = in_shard = in_batch = 0
    for trace in traces:
        batch.append(trace)
        in_batch += sum(len(text.encode()) for text in (trace.prompt.system, trace.prompt.query.text, trace.text))
        if in_batch >= BATCH_BYTES or len(batch) == BATCH_ROWS:
            yield shard, batch
            in_shard += in_batch
            batch, in_batch = [], 0
            if in_shard >= SHARD_BYTES:
                shard, in_shard = shard + 1, 0
    if batch:
        yield shard, batch


class _Lines:
    """A JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def close(self) -> None:
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())


class _Table:
    """Parquet, a row group for each batch."""

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        import pyarrow.parquet as pq

        self._path, self._schema = path, arrow_schema(columns)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[Mapping[str, Any]]) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))

    def close(self) -> None:
        self._writer.close()
        with self._path.open("rb+") as file:
            os.fsync(file.fileno())


def _open(stack: ExitStack, path: Path, columns: Mapping[str, str]) -> _Lines | _Table:
    file: _Lines | _Table = _Lines(path) if path.suffix == ".jsonl" else _Table(path, columns)
    stack.callback(file.close)
    return file
