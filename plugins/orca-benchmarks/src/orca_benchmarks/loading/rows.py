"""Rows of a benchmark's data, each with its place: from files in their published formats, or from the Hub."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from orca_core.errors import DataError, UserError, did_you_mean

SUFFIXES: Final = (".json", ".jsonl", ".csv", ".parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """One record and where it stands."""

    source: str
    line: int
    """Of the file, or the number of the row in a table."""
    values: dict[str, Any]

    def fail(self, what: str) -> NoReturn:
        """Raise the error that this row is of no use, with its place."""
        raise DataError(self.source, what, line=self.line)

    def text(self, name: str, *, empty: bool = False) -> str:
        """A field that has to be a text."""
        value = self.values.get(name)
        if not isinstance(value, str) or not (value.strip() or empty):
            self.fail(f'needs "{name}", a text' + ("" if name in self.values else did_you_mean(name, self.values)))
        return value

    def texts(self, name: str) -> list[str]:
        """A field that has to be a list of at least one text."""
        value = self.values.get(name)
        if not isinstance(value, (list, tuple)) or not value or not all(isinstance(v, str) for v in value):
            self.fail(
                f'needs "{name}", a list of texts' + ("" if name in self.values else did_you_mean(name, self.values))
            )
        return list(value)


def read_files(path: Path, tasks: Sequence[str]) -> Iterator[tuple[str, list[Row]]]:
    """Each task with the rows of its file: ``<task>.json``, ``.jsonl``, ``.csv`` or ``.parquet`` in a directory, or one file.

    Raises:
        DataError: a file is missing, unreadable or malformed; says which and where in it.
    """
    for task, file in _files(path, tasks).items():
        rows = list(_rows(file))
        if not rows:
            raise DataError(file, "holds no items")
        yield task, rows


def read_hub(dataset: str, config: str | None, split: str) -> list[Row]:
    """All rows of a split of a data set on the Hub.

    Raises:
        UserError: it is not there, or cannot be reached.
    """
    from datasets import load_dataset

    name = f"{dataset}{f' ({config})' if config else ''}, split {split}"
    try:
        data = load_dataset(dataset, config, split=split)
    except Exception as error:
        why = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(
            f"{name}: {why}; is the name right and the network up? path= reads the same data from files"
        ) from error
    return [Row(name, number, dict(values)) for number, values in enumerate(data, 1)]


def _files(path: Path, tasks: Sequence[str]) -> dict[str, Path]:
    if path.is_dir():
        return {task: _file(path, task) for task in tasks}
    if not path.exists():
        raise DataError(path, "no such file or directory")
    if path.stem not in tasks:
        raise DataError(
            path, f"the file's name tells its task, and it is none of those asked for{did_you_mean(path.stem, tasks)}"
        )
    return {path.stem: path}


def _file(directory: Path, task: str) -> Path:
    found = [file for suffix in SUFFIXES if (file := directory / f"{task}{suffix}").is_file()]
    if not found:
        there = [file.stem for file in directory.iterdir() if file.suffix in SUFFIXES]
        raise DataError(directory, f"has no {task}{'|'.join(SUFFIXES)}{did_you_mean(task, there)}")
    return found[0]


def _rows(file: Path) -> Iterator[Row]:
    if file.suffix == ".parquet":
        yield from _parquet(file)
        return
    text = read_text(file)
    if file.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _record(file, number, _parsed(file, line, number))
    elif file.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text), strict=True)
        yield from (Row(str(file), reader.line_num, dict(values)) for values in reader)
    else:
        content = _parsed(file, text, 1)
        examples = content.get("examples") if isinstance(content, dict) else content
        if not isinstance(examples, list):
            raise DataError(file, 'is neither a list of items nor {"examples": [...]}')
        for example, number in zip(examples, _lines(text), strict=True):
            yield _record(file, number, example)


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        DataError: it cannot be read, or is not UTF-8.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(file, f"cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(file, f"not UTF-8 text: byte {error.start}; save it as UTF-8", line=line) from None


def _parsed(file: Path, text: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(file, f"not JSON: {error.msg}", line=first_line + error.lineno - 1) from None


def _record(file: Path, line: int, value: Any) -> Row:
    if not isinstance(value, dict):
        raise DataError(file, f"an item is a JSON object, not {json.dumps(value)[:60]}", line=line)
    return Row(str(file), line, value)


def _lines(text: str) -> Iterator[int]:
    """The line at which each element of the list of examples begins. The text is known to be right."""
    key = text.find('"examples"') if text.lstrip().startswith("{") else 0
    place, line, counted = text.index("[", key) + 1, 1, 0
    decoder = json.JSONDecoder()
    while True:
        while text[place] in " \t\r\n,":
            place += 1
        if text[place] == "]":
            return
        line, counted = line + text.count("\n", counted, place), place
        yield line
        _, place = decoder.raw_decode(text, place)


def _parquet(file: Path) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(file)
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(file, f"not a Parquet file: {error}") from None
    yield from (Row(str(file), number, values) for number, values in enumerate(table.to_pylist(), 1))
