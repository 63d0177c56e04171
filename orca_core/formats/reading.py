"""Prompts and traces out of data files of any format, joined with what an export put beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar

from orca_core.errors import DataError
from orca_core.files import SUFFIXES, read_records, stop
from orca_core.formats.base import Format, Row
from orca_core.formats.known import FORMATS, FormatName, told
from orca_core.records import Prompt, Trace
from orca_core.tables import read_rows, row_prompt, row_trace

T = TypeVar("T", bound=Prompt | Trace)
Bad = Callable[[DataError], None]
DATA: Final = "data"
"""The folder of an export with the files that others read."""
DETAILS: Final = "details"
"""The folder beside it: for each of those a Parquet file with the columns that the format has no place for, row by row."""
_ABOUT: Final = ("dataset_info", ".")
"""How files begin that lie beside data and are none."""
LOOKED_AT: Final = 1000
"""Rows by which a format is told."""


@dataclass(frozen=True, slots=True)
class Source:
    """A data file, and the file with the details of its rows."""

    path: Path
    details: Path | None = None


def read_prompts(path: Path, format: FormatName = "auto", bad: Bad = stop) -> Iterator[Prompt]:
    """The prompts of a data file, of all data files in a folder, or of an export.

    Args:
        path: the file or folder.
        format: what its rows are like.
        bad: is told of every bad row that stands by itself; those of an export always raise, as details go by row numbers.

    Raises:
        DataError: what cannot be read, with file and line; a format that cannot be told; whatever ``bad`` raises.
    """
    return _read(path, format, _prompt, bad)


def read_traces(path: Path, format: FormatName = "auto", bad: Bad = stop) -> Iterator[Trace]:
    """The traces, as :func:`read_prompts`; a row without an answer is a bad one."""
    return _read(path, format, _trace, bad)


def _prompt(row: Row) -> Prompt:
    _check(row)
    return row_prompt(row)


def _trace(row: Row) -> Trace:
    if row.get("response") is None:
        raise ValueError(
            "this row has no answer (or one that is not to be trained on); it can only be asked: sampler=file"
        )
    _check(row)
    return row_trace(row)


def _check(row: Row) -> None:
    """Refuse what cannot be asked, or not be kept."""
    if not row["query"].strip():
        raise ValueError("the question is empty; give it text or delete the row")
    for name, value in row.items():
        try:
            for text in (value,) if isinstance(value, str) else _said(value) if name == "history" else ():
                text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"column '{name}' holds half of a surrogate pair, which is not a character") from None


def _said(history: Any) -> Iterator[str]:
    return (text for turn in history or () for text in turn[:2])


def _read(path: Path, name: FormatName, parse: Callable[[Row], T], bad: Bad) -> Iterator[T]:
    sources = _sources(path)
    format = FORMATS[name] if name != "auto" else _told(sources[0].path)
    for source in sources:
        if source.details is None:
            rows = read_records(source.path, lambda row: parse(format.read(row)), bad)
            yield from (record for _, record in rows)
        else:
            yield from _joined(source.path, source.details, format, parse)


def _joined(path: Path, details_path: Path, format: Format, parse: Callable[[Row], T]) -> Iterator[T]:
    details = read_rows([details_path])

    def join(row: Row) -> T:
        more = next(details, None)
        if more is None:
            raise ValueError(f"{details_path} has no row for this one; the two belong together")
        held = {name: value for name, value in format.read(row).items() if name in format.holds}
        record = parse(more | held)
        prompt = record.prompt if isinstance(record, Trace) else record
        if prompt.id != more["id"]:
            raise ValueError(
                f"its row in {details_path} is of another question; the two belong together: export again, or move the "
                f"folder '{DETAILS}' away to read '{DATA}' by itself"
            )
        return record

    for _, record in read_records(path, join):
        yield record
    if next(details, None) is not None:
        raise DataError(details_path, f"has more rows than {path}; the two belong together")


def _told(path: Path) -> Format:
    """The format of a file, whose bad rows are somebody else's to tell of."""
    errors: list[DataError] = []
    rows = [row for _, row in islice(read_records(path, dict, errors.append), LOOKED_AT)]
    if not rows:
        raise errors[0]
    return told(rows, path)


def _sources(path: Path) -> Sequence[Source]:
    """The data files that a path stands for, in order: itself, those in a folder, or those of an export with their details.

    Raises:
        DataError: there are none, or they are of several phases.
    """
    if not path.is_dir():
        return [Source(path)]
    root = path / DATA if (path / DATA).is_dir() else path
    files = sorted(file for file in root.iterdir() if file.suffix in SUFFIXES and not file.name.startswith(_ABOUT))
    phases = sorted(inner.name for inner in root.iterdir() if inner.is_dir())
    if not files and phases and root != path:
        raise DataError(path, f"holds several phases; give one, e.g. {root / phases[0]} (or {', '.join(phases[1:])})")
    if not files:
        raise DataError(path, f"no data files in this folder; known: {', '.join(SUFFIXES)}")
    return [Source(file, _details_of(file)) for file in files]


def _details_of(file: Path) -> Path | None:
    """Where an export keeps the details of a data file; None if the file is of no export.

    Raises:
        DataError: the export has details, but none of this file.
    """
    data = next((folder for folder in file.parents[:2] if folder.name == DATA), None)
    if data is None or not (folder := data.parent / DETAILS).is_dir():
        return None
    details = (folder / file.relative_to(data)).with_suffix(".parquet")
    if not details.is_file():
        raise DataError(file, f"its details are missing ({details}); export again, or move the folder '{DETAILS}' away")
    return details
