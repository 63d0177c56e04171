"""Reading a user's data file row by row, with every problem named by file and line.

A row that is malformed goes to ``bad``, which raises (as it does unless told otherwise) or returns to go on with the next;
a file that cannot be followed any further raises in any case. No line is read beyond :data:`MAX_LINE` bytes.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final, TypeVar

from orca_core.errors import DataError, did_you_mean

T = TypeVar("T")
SUFFIXES = (".jsonl", ".json", ".parquet", ".csv")
MAX_LINE: Final = 16_000_000
"""Bytes of a line (characters of an element of a JSON array): a longer one is refused without being held in memory."""
_CHUNK: Final = 1 << 20

Read = Iterator[tuple[int, Mapping[str, Any] | DataError]]
"""Line or row numbers from 1, with the row or what is wrong with it."""


def stop(error: DataError) -> None:
    """What to do about a bad row by default: raise it."""
    raise error


def read_records(
    path: Path, parse: Callable[[Mapping[str, Any]], T], bad: Callable[[DataError], None] = stop
) -> Iterator[tuple[int, T]]:
    """Yield (line or row number from 1, parsed record) of a JSONL, JSON (an array of objects), Parquet or CSV file.

    Args:
        path: the file.
        parse: makes the record of a row; a KeyError stands for a missing column, TypeError and ValueError for a wrong value.
        bad: is told of every bad row.

    Raises:
        DataError: the file cannot be read, or ``bad`` raised it.
    """
    number = 0
    for number, row in _rows(path):
        if isinstance(row, DataError):
            bad(row)
            continue
        try:
            record = parse(row)
        except KeyError as error:
            bad(DataError(path, missing(str(error.args[0]), row), line=number))
        except (TypeError, ValueError) as error:
            bad(DataError(path, str(error), line=number))
        else:
            yield number, record
    if number == 0:
        bad(DataError(path, "the file has no rows"))


def missing(column: str, row: Mapping[str, Any]) -> str:
    """What to say of a column that a row lacks."""
    names = list(map(str, row))
    near = did_you_mean(column, names)
    return f"column '{column}' is missing{near if 'mean' in near else ''}; this row has: {', '.join(names)}"


def _rows(path: Path) -> Read:
    if path.suffix not in SUFFIXES:
        raise DataError(path, f"unknown kind of file '{path.suffix}'; known: {', '.join(SUFFIXES)}")
    try:
        if path.suffix == ".parquet":
            from orca_core.tables import read_rows

            yield from enumerate(read_rows([path]), start=1)
        elif path.suffix == ".csv":
            yield from _csv_rows(path)
        else:
            yield from _json_rows(path)
    except FileNotFoundError:
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(path, f"no such file{near if 'mean' in near else ''}") from None
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-8 text ({error.reason}); convert it, e.g. with iconv") from None
    except OSError as error:
        raise DataError(path, f"cannot be read: {error.strerror}") from None


def read_lines(path: Path) -> Iterator[tuple[int, str | DataError]]:
    """The lines of a text file by number, with their ends, or what is wrong with them: their length, their encoding."""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise DataError(path, "not UTF-8 text but UTF-16; convert it, e.g. with iconv -f UTF-16 -t UTF-8")
        file.seek(3 if file.seek(0) == 0 and file.read(3) == b"\xef\xbb\xbf" else 0)
        for number in count(1):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return
            if len(line) > MAX_LINE:
                size = len(line)
                while line and not line.endswith(b"\n"):
                    line = file.readline(_CHUNK)
                    size += len(line)
                what = f"a line of {size:,} bytes; at most {MAX_LINE:,}: is it one row?"
                yield number, DataError(path, what, line=number)
                continue
            try:
                yield number, line.decode()
            except UnicodeDecodeError as error:
                what = f"not UTF-8 text ({error.reason} at byte {error.start} of the line); convert it, e.g. with iconv"
                yield number, DataError(path, what, line=number)


def _json_rows(path: Path) -> Read:
    with path.open("rb") as file:
        array = path.suffix == ".json" and file.read(_CHUNK).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
    if array:
        yield from _array_rows(path)
        return
    for number, line in read_lines(path):
        if isinstance(line, DataError):
            yield number, line
        elif line.strip():
            yield number, _json_row(path, number, line)


def _json_row(path: Path, number: int, line: str) -> Mapping[str, Any] | DataError:
    try:
        row = json.loads(line.rstrip("\r\n"))
    except json.JSONDecodeError as error:
        cut = "" if line.endswith("\n") else " (in the last line: the file may have been cut off)"
        return DataError(path, f"malformed JSON at column {error.colno}: {error.msg}{cut}", line=number)
    except (ValueError, RecursionError) as error:
        return DataError(path, f"JSON that cannot be read: {error}", line=number)
    if not isinstance(row, dict):
        return DataError(path, f"each line must be a JSON object, not {type(row).__name__}", line=number)
    return row


def _array_rows(path: Path) -> Read:
    """The elements of a JSON array, a few in memory at a time; a malformed one hides where the next begins, so it ends all."""
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(_CHUNK)
        at = text.index("[") + 1
        line = 1 + text.count("\n", 0, at)
        while True:
            start = _gap_end(text, at)
            line += text.count("\n", at, start)
            if text.startswith("]", start):
                return
            try:
                row, at = decoder.raw_decode(text, start)
            except (ValueError, RecursionError) as error:
                more = file.read(max(_CHUNK, len(text) - start))
                if not more or len(text) - start > MAX_LINE:
                    what = f"malformed JSON, an element over {MAX_LINE / 1e6:.0f} MB, or a file cut off ({error})"
                    raise DataError(path, f"{what}; what follows cannot be read", line=line) from None
                text, at = text[start:] + more, 0
                continue
            what = f"each element must be a JSON object, not {type(row).__name__}"
            yield line, row if isinstance(row, dict) else DataError(path, what, line=line)
            line += text.count("\n", start, at)


def _gap_end(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n,":
        at += 1
    return at


class _Feed:
    """A CSV file's lines for its reader, which can give those of a record back that came to nothing."""

    def __init__(self, path: Path) -> None:
        self._lines = read_lines(path)
        self._returned: deque[tuple[int, str | DataError]] = deque()
        self.taken: list[tuple[int, str | DataError]] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        number, line = self._returned.popleft() if self._returned else next(self._lines)
        self.taken.append((number, line))
        if isinstance(line, DataError):
            raise line
        return line

    def give_back(self) -> None:
        """All but the first line of the record: a quote that is never closed swallows the good lines behind it."""
        self._returned.extendleft(reversed(self.taken[1:]))


def _csv_rows(path: Path) -> Read:
    import csv

    feed = _Feed(path)
    reader = csv.reader(feed, strict=True)
    header: list[str] = []
    while True:
        feed.taken.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except (csv.Error, DataError) as error:
            feed.give_back()
            number, first = feed.taken[0]
            what = f"malformed CSV: {error}; is a quote not closed, or not doubled inside a quoted field?"
            wrong = first if isinstance(first, DataError) else DataError(path, what, line=number)
            if not header:
                raise wrong from None
            yield number, wrong
            continue
        number = feed.taken[0][0]
        if not header:
            header = fields
        elif len(fields) == len(header):
            yield number, dict(zip(header, fields, strict=True))
        elif fields:
            yield number, DataError(path, f"{len(header)} columns in the header, {len(fields)} here", line=number)
