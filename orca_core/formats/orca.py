"""Our own rows, as :mod:`orca_core.tables` defines them: every column of a prompt or a trace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from orca_core.formats.base import Format, Row, kind
from orca_core.tables import TRACE_COLUMNS, trace_row

_PYTHON: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "int64": (int,),
    "double": (int, float),
    "bool": (bool,),
}
_NAMES: Final = {"string": "text", "int64": "a whole number", "double": "a number", "bool": "true or false"}
_JSON: Final = ("meta", "decoding")
"""Columns of text that hold a JSON object, which a JSONL file may have as it is."""


def _read(row: Row) -> Row:
    return {**row, **{name: _typed(name, TRACE_COLUMNS[name], row[name]) for name in row if name in TRACE_COLUMNS}}


def _typed(name: str, wanted: str, value: Any) -> Any:
    """A column's value in its type; a CSV file has all values as text, and no value as the empty text."""
    if isinstance(value, str) and wanted != "string":
        value = _decoded(name, wanted, value)
    if value is None:
        return None
    inner = wanted.removeprefix("list<").removesuffix(">")
    if inner != wanted:
        if not isinstance(value, list) or not all(_is(inner, part) for part in value):
            raise TypeError(f"column '{name}' must be a list of {_NAMES[inner]}, not {_shown(value)}")
    elif name in _JSON and value:
        return _object(name, value)
    elif name == "history" and value:
        return _turns(value)
    elif not _is(wanted, value):
        raise TypeError(f"column '{name}' must be {_NAMES[wanted]}, not {_shown(value)}")
    return value


def _is(wanted: str, value: Any) -> bool:
    return isinstance(value, _PYTHON[wanted]) and (wanted == "bool" or not isinstance(value, bool))


def _decoded(name: str, wanted: str, value: str) -> Any:
    if not value:
        return None
    try:
        return json.loads(value.lower() if wanted == "bool" else value)
    except json.JSONDecodeError:
        raise ValueError(f"column '{name}' must be JSON in a table without types, not {value[:40]!r}") from None


def _parsed(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        what = "list" if name == "history" else "object"
        raise ValueError(f"column '{name}' must be a JSON {what}, not {value[:40]!r}") from None


def _object(name: str, value: Any) -> Any:
    """The object of a JSON column, whether it comes as one or as its text."""
    value = _parsed(name, value)
    if not isinstance(value, dict):
        raise TypeError(f"column '{name}' must be a JSON object, not {_shown(value)}")
    return value


def _turns(value: Any) -> list[Any]:
    """The earlier turns, each a list of question, answer and, optionally, whether the answer is learnt."""
    turns = _parsed("history", value)
    if not isinstance(turns, list) or not all(isinstance(turn, list) and _is_turn(*turn) for turn in turns):
        raise TypeError(f"column 'history' must be a list of [question, answer, learnt], not {_shown(value)}")
    return turns


def _is_turn(question: Any = None, answer: Any = None, learnt: Any = True, *more: Any) -> bool:
    return isinstance(question, str) and isinstance(answer, str) and isinstance(learnt, bool) and not more


def _shown(value: Any) -> str:
    return f"{kind(value)} ({str(value)[:40]})"


ORCA: Final = Format(
    name="orca",
    columns="query, task, and optionally system, response, target, query_choices, ...",
    needed=frozenset({"query", "task"}),
    read=_read,
    write=trace_row,
    holds=frozenset(TRACE_COLUMNS),
    suffix=".parquet",
    llama_factory={"columns": {"prompt": "query", "response": "response", "system": "system"}},
    axolotl={
        "type": {"field_system": "system", "field_instruction": "query", "field_output": "response"},
    },
)
