"""What somebody else's format of training data is to us: how its rows become ours, and ours become its."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from orca_core.errors import UserError
from orca_core.records import Prompt, Trace
from orca_core.tables import TRACE_COLUMNS

Row = Mapping[str, Any]
"""A row as the file has it, or one of ours as :mod:`orca_core.tables` defines it."""

TASK: Final = "imported"
"""The task of questions that come without one. The same for all formats, so that a question has the same id in all of them."""
PLAIN: Final = frozenset({"system", "query", "response"})
"""The columns of ours that every format has a place for."""


@dataclass(frozen=True, slots=True)
class Format:
    """One format, by two pure functions."""

    name: str
    columns: str
    """Its columns, as people are told."""
    needed: frozenset[str]
    """The columns that a row of it always has."""
    read: Callable[[Row], Row]
    """Its row as a row of ours: ``query``, ``task`` and, where there is an answer, ``response``, beside what else it holds.

    Raises KeyError for a missing column, TypeError or ValueError for what is wrong with one.
    """
    write: Callable[[Trace], Row] | None = None
    """A trace as its row, with the documented keys and no others; None: it is only read."""
    holds: frozenset[str] = PLAIN
    """The columns of ours that ``read`` gives back as ``write`` was given them."""
    suffix: str = ".jsonl"
    """The kind of file it is written to."""
    llama_factory: Mapping[str, Any] = field(default_factory=dict)
    """Its entry in LLaMA-Factory's ``dataset_info.json``."""
    axolotl: Mapping[str, Any] = field(default_factory=dict)
    """Its entry in axolotl's ``datasets:``."""

    @property
    def details(self) -> Mapping[str, str]:
        """The columns that it has no place for, with the id; none if it holds them all."""
        left = {name: kind for name, kind in TRACE_COLUMNS.items() if name not in self.holds}
        return {"id": "string", **left} if left else {}


def text(row: Row, column: str, *, optional: bool = False) -> str:
    """A column's text; of an optional one that is missing or null, the empty text.

    Raises:
        KeyError: the column is missing.
        TypeError: it holds something else than text.
    """
    value = row.get(column) if optional else row[column]
    if optional and value is None:
        return ""
    if not isinstance(value, str):
        raise TypeError(f"column '{column}' must be text, not {kind(value)}")
    return value


def kind(value: object) -> str:
    """What JSON calls a value, for messages."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def exchange(row: Row, system: str, query: str, response: str | None) -> Row:
    """A row of ours. The columns ``collection``, ``task`` and ``target`` are kept where the file has them, whatever its format."""
    known = {name: value for name in ("collection", "task", "target") if (value := text(row, name, optional=True))}
    answer = {} if response is None else {"response": response}
    return {"task": TASK, **known, "system": system, "query": query, **answer}


def alone(trace: Trace, name: str) -> Prompt:
    """The prompt of a trace that is to be written in a format without a place for earlier turns.

    Raises:
        UserError: there are some; without them it would be another question.
    """
    if trace.prompt.query.history:
        raise UserError(
            f"prompt {trace.prompt.id} belongs to a conversation of several turns, which format={name} cannot hold; "
            "choose sharegpt or messages"
        )
    return trace.prompt


def answer(row: Row, column: str) -> str | None:
    """The answer in a column; None where there is no such column, as in a list of questions."""
    return text(row, column) if row.get(column) is not None else None
