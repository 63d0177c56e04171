"""Drawn rows on disk: runs sorted by their place in the draw, merged in one pass with a batch of each in memory.

A run is an Arrow IPC file: its batches can be read one by one without holding the file open, so that thousands of runs are
merged with no file handle and less than a megabyte each.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from orca_core.errors import DataError
from orca_core.records import Query
from orca_flan.sources.base import Row

Placed = tuple[int, Row]
"""A row and its place in the draw."""
ROWS_PER_BATCH: Final = 64


def write_run(path: Path, rows: Iterable[Placed]) -> None:
    """Write rows, sorted by place, under that name only when they are all on disk; other processes may be at the same."""
    import pyarrow as pa

    placed = sorted(rows, key=lambda pair: pair[0])
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    try:
        with temporary.open("wb") as file:
            schema = _schema()
            with pa.ipc.new_file(file, schema, options=options) as writer:
                writer.write_table(pa.Table.from_pylist([_flat(*pair) for pair in placed], schema), ROWS_PER_BATCH)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def merge(runs: Sequence[Path]) -> Iterator[Row]:
    """The rows of all runs by their places."""
    return (row for _, row in heapq.merge(*map(_read_run, runs), key=lambda pair: pair[0]))


def _read_run(path: Path) -> Iterator[Placed]:
    import pyarrow as pa

    number, total = 0, 1
    while number < total:
        try:
            with pa.OSFile(str(path)) as file:
                reader = pa.ipc.open_file(file)
                total = reader.num_record_batches
                rows = reader.get_batch(number).to_pylist() if total else []
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(path, f"not a readable Arrow file ({error}); delete its folder and run again") from error
        yield from map(_placed, rows)
        number += 1


def _schema() -> Any:
    import pyarrow as pa

    texts = {name: pa.string() for name in ("collection", "task", "text", "target", "meta", "system")}
    return pa.schema({"place": pa.int64(), **texts, "choices": pa.list_(pa.string())})


def _flat(place: int, row: Row) -> dict[str, Any]:
    query = row.query
    return {
        "place": place,
        "collection": query.collection,
        "task": query.task,
        "text": query.text,
        "target": query.target,
        "choices": list(query.choices),
        "meta": json.dumps(dict(query.meta), ensure_ascii=False),
        "system": row.system,
    }


def _placed(flat: dict[str, Any]) -> Placed:
    query = Query(
        text=flat["text"],
        task=flat["task"],
        collection=flat["collection"],
        target=flat["target"],
        choices=tuple(flat["choices"]),
        meta=json.loads(flat["meta"]),
    )
    return flat["place"], Row(query, flat["system"])
