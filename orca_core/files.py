"""Reading a user's data file row by row, with every problem named by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from orca_core.errors import DataError, did_you_mean

T = TypeVar("T")
SUFFIXES = (".jsonl", ".json", ".parquet", ".csv")


def read_records(path: Path, parse: Callable[[Mapping[str, Any]], T]) -> Iterator[tuple[int, T]]:
    """Yield (line or row number from 1, parsed record) of a JSONL, Parquet or CSV file.

    Raises:
        DataError: the file cannot be read, a line is malformed, or ``parse`` misses a column.
    """
    number = 0
    for number, row in _rows(path):
        try:
            record = parse(row)
        except KeyError as error:
            column = str(error.args[0])
            raise DataError(
                path, f"column '{column}' is missing; this row has: {', '.join(map(str, row))}", line=number
            ) from None
        except (TypeError, ValueError) as error:
            raise DataError(path, str(error), line=number) from None
        yield number, record
    if number == 0:
        raise DataError(path, "the file has no rows")


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if path.suffix not in SUFFIXES:
        raise DataError(path, f"unknown kind of file '{path.suffix}'; known: {', '.join(SUFFIXES)}")
    try:
        if path.suffix == ".parquet":
            from orca_core.tables import read_rows

            yield from enumerate(read_rows([path]), start=1)
        elif path.suffix == ".csv":
            yield from _csv_rows(path)
        else:
            yield from _jsonl_rows(path)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(path, f"no such file{near if 'mean' in near else ''}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            path, f"not UTF-8 text ({error.reason} at byte {error.start}); convert it, e.g. with iconv"
        ) from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}") from None


def _jsonl_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(path, f"malformed JSON at column {error.colno}: {error.msg}", line=number) from None
            if not isinstance(row, dict):
                raise DataError(path, f"each line must be a JSON object, not {type(row).__name__}", line=number)
            yield number, row


def _csv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for row in reader:
                if None in row or None in row.values():
                    raise DataError(
                        path,
                        f"{len(reader.fieldnames or [])} columns in the header, another number here",
                        line=reader.line_num,
                    )
                yield reader.line_num, row
        except csv.Error as error:
            raise DataError(path, f"malformed CSV: {error}", line=reader.line_num) from None
