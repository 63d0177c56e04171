"""Sets of open-ended questions: Vicuna's 80, WizardLM's 218, Awesome's 164, or any other, from files or the Hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from orca_core import DataError, Query, UserError
from orca_core.files import SUFFIXES, missing, read_records
from orca_judge.config import HubSet

SETS: Final = ("vicuna", "wizardlm", "awesome")
"""The paper's: a file whose name begins with one of these holds that set."""
TEXTS: Final = ("Instruction", "prompt", "text", "question", "instruction")
"""Columns of a question's text: WizardLM's, Awesome's, Vicuna's first release, others."""
IDS: Final = ("question_id", "idx", "act", "id")
CATEGORIES: Final = ("category", "Skill")


def set_name(path: Path) -> str:
    """The set that a file holds, by its name."""
    stem = path.stem.lower()
    return next((name for name in SETS if stem.startswith(name)), stem)


def files_at(path: Path) -> dict[str, Path]:
    """The file of every set at a path: a file, or a folder of them.

    Raises:
        DataError: there is none, or there are two of a set.
    """
    found: dict[str, Path] = {}
    inner = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
    if not inner:
        raise DataError(path, f"no file in this folder ends in {', '.join(SUFFIXES)}")
    for file in inner:
        name = set_name(file)
        if name in found:
            raise DataError(file, f"holds set '{name}' by its name, as {found[name].name} does; rename one of them")
        found[name] = file
    return found


def read_path(path: Path, n: int | None) -> Iterator[Query]:
    """The questions of every set at a path, at most the first ``n`` of each.

    Raises:
        DataError: with file and line: no question in a row, more than one turn, an id or a question that came before.
    """
    for name, file in files_at(path).items():
        yield from islice(distinct(name, file, read_records(file, parse)), n)


def read_hub(name: str, source: HubSet, n: int | None) -> Iterator[Query]:
    """The questions of a set on the Hub.

    Raises:
        UserError: the data set is not there, or cannot be reached.
        DataError: as :func:`read_path`, with the number of the row.
    """
    place = Path(f"{source.dataset}/{source.split}")
    yield from islice(distinct(name, place, _hub_rows(source, place)), n)


def _hub_rows(source: HubSet, place: Path) -> Iterator[tuple[int, Query]]:
    from datasets import load_dataset

    try:
        rows = load_dataset(source.dataset, split=source.split, revision=source.revision, streaming=True)
        for number, row in enumerate(rows, 1):
            try:
                yield number, parse(row)
            except KeyError as error:
                raise DataError(place, missing(str(error.args[0]), row), line=number) from None
            except ValueError as error:
                raise DataError(place, str(error), line=number) from None
    except DataError:
        raise
    except Exception as error:
        why = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"data set '{source.dataset}': {why}; is the name right, the network up, and HF_TOKEN set if it is private?"
        ) from error


def parse(row: Mapping[str, Any]) -> Query:
    """A row as a query without a task, with its id and category in ``meta``.

    Raises:
        KeyError: no column with a question.
        ValueError: a question that is no text, is empty or has several turns.
    """
    text = _turn(row["turns"]) if "turns" in row else first_of(row, TEXTS, "question")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"the question should be a text, and not empty: {text!r}")
    meta = {"id": row_id(row), "category": str(next((row[c] for c in CATEGORIES if c in row), ""))}
    return Query(text, task="", collection="open-ended", meta=meta)


def first_of(row: Mapping[str, Any], columns: Iterable[str], wanted: str) -> Any:
    """The first of these columns that a row has; a KeyError for the ``wanted`` one if it has none."""
    for column in columns:
        if column in row:
            return row[column]
    raise KeyError(wanted)


def row_id(row: Mapping[str, Any]) -> str:
    """A row's own id of its question, empty if it has none."""
    return str(next((row[column] for column in IDS if row.get(column) is not None), ""))


def _turn(turns: Any) -> Any:
    if not isinstance(turns, list) or len(turns) != 1:
        raise ValueError("turns should be a list of one question: answers are judged after a single turn")
    return turns[0]


def distinct(name: str, file: Path, rows: Iterable[tuple[int, Query]]) -> Iterator[Query]:
    """The rows' queries as those of a set; raises DataError for what comes twice."""
    lines: dict[tuple[str, str], int] = {}
    for line, query in rows:
        for what, value in (("id", query.meta["id"]), ("question", query.text)):
            if value and (before := lines.setdefault((what, value), line)) != line:
                raise DataError(file, f"{what} {value[:60]!r} is that of line {before} too; leave one out", line=line)
        yield Query(query.text, name, query.collection, meta=query.meta)
