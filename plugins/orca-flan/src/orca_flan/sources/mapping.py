"""From the columns of any data set to queries, by a few lines of YAML.

A part of a query is a column (``question``; ``answers.text`` and ``answers.text.0`` inside a nested one), a text with columns
in braces (``"{definition}\\n\\n{input}"``) or a constant (``=my_task``). A list in a text is written as labelled lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from string import ascii_uppercase
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from orca_core.component import Config
from orca_core.records import Query
from orca_flan.sources.base import Row, gold
from orca_flan.sources.options import options_of, parse_options

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
Values = Mapping[str, Any]
"""A row of the data set, by column."""


def _checked(spec: str) -> str:
    rest = "" if spec.startswith("=") else _BRACES.sub("", spec)
    if not spec.strip() or "" in _columns(spec) or "{" in rest or "}" in rest:
        raise ValueError("neither a column (question), a text with columns in braces ({a} {b}) nor a constant (=text)")
    return spec


Spec = Annotated[str, AfterValidator(_checked)]


class Columns(Config):
    """What each part of a query is: a column, a text with columns in braces, or =a constant."""

    query: Spec = Field(description="the text that is asked; a list in braces is written as (A) x, a line each")
    task: Spec | None = Field(None, description="null: the file's name")
    target: Spec | None = Field(None, description="the gold answer; of a list the first, the others being as good")
    target_index: Spec | None = Field(None, description="instead of target: the number of the gold option, from 0")
    choices: Spec | tuple[Spec, ...] | None = Field(
        None, description="a list, a text that they are read from, or several columns; null: read from the query"
    )
    template: Spec | None = Field(None, description="the template type, such as zs_opt")
    explanation: Spec | None = Field(None, description="the data set's own explanation of its answer")
    system: Spec | None = Field(None, description="the system message that the row carries")


class Mapped(Config):
    """A source whose rows are mapped: part of the configs of ``files`` and ``hub``."""

    columns: Columns = Field(description="what each part of a query is")
    where: dict[str, tuple[str | int, ...]] = Field(
        {}, description="rows to read, by the values of a column: {template_type: [zs_opt, zs_noopt]}; {}: all"
    )

    def needed(self, *, texts: bool = True) -> list[str]:
        """The columns that are read of a row, or those that tell its task and template alone."""
        parts = self.columns.model_dump(exclude_none=True)
        specs = [spec for name, spec in parts.items() if texts or name in ("task", "template")]
        flat = [one for spec in specs for one in ([spec] if isinstance(spec, str) else spec)]
        roots = {name.split(".")[0] for spec in flat for name in _columns(spec)}
        return sorted(roots | {name.split(".")[0] for name in self.where})

    def wants(self, row: Values) -> bool:
        """Whether ``where`` lets a row through."""
        return all(str(_look(row, name)) in map(str, values) for name, values in self.where.items())

    def task(self, row: Values, otherwise: str) -> str:
        """The task of a row."""
        spec = self.columns.task
        return otherwise if spec is None else _text(row, spec)

    def template(self, row: Values) -> str:
        """The template type of a row; empty if it has none."""
        return _optional(row, self.columns.template) or ""

    def row(self, row: Values, collection: str, source: str, task: str) -> Row:
        """The query of a row.

        Args:
            row: by column.
            collection: that it belongs to.
            source: the name of its file, for ``meta["source"]``.
            task: if no column tells it.

        Raises:
            KeyError: a column is missing.
            TypeError, ValueError: a column holds something that cannot be what it is mapped to.
        """
        columns = self.columns
        text = _text(row, columns.query, numbers=False)
        targets = list(dict.fromkeys(self._targets(row)))
        choices = self._choices(row, text, targets[0] if targets else None)
        if columns.target_index is not None:
            targets = [_numbered(columns.target_index, _text(row, columns.target_index), choices)]
        target = targets[0] if targets else None
        meta = {"source": source, "template": self.template(row), "explanation": _optional(row, columns.explanation)}
        known = {key: value for key, value in meta.items() if value}
        known |= gold(target, choices, targets[1:])
        query = Query(text, self.task(row, task), collection, target, choices, known)
        return Row(query, _optional(row, columns.system) or "")

    def _targets(self, row: Values) -> Iterator[str]:
        if self.columns.target is not None:
            value = _value(row, self.columns.target)
            for one in value if isinstance(value, list) else [value] if value is not None else []:
                yield _written(one, self.columns.target)

    def _choices(self, row: Values, text: str, target: str | None) -> tuple[str, ...]:
        spec = self.columns.choices
        if spec is None:
            return options_of(text, target)
        if not isinstance(spec, str):
            return tuple(_text(row, one) for one in spec)
        value = _value(row, spec)
        if isinstance(value, list):
            return tuple(_written(one, spec) for one in value)
        return parse_options(_written(value, spec)) if value is not None else ()


def _columns(spec: str) -> list[str]:
    """The columns that a spec names."""
    return [] if spec.startswith("=") else _BRACES.findall(spec) if "{" in spec else [spec]


@lru_cache(1000)
def _reader(spec: str) -> Callable[[Values], Any]:
    if spec.startswith("="):
        return lambda row: spec[1:]
    if "{" not in spec:
        return lambda row: _look(row, spec)
    return lambda row: _BRACES.sub(lambda match: _shown(_look(row, match[1]), match[1]), spec)


def _value(row: Values, spec: str) -> Any:
    return _reader(spec)(row)


def _look(row: Values, name: str) -> Any:
    if name in row:
        return row[name]
    value: Any = row
    for key in name.split("."):
        if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, Mapping) and key in value:
            value = value[key]
        else:
            raise KeyError(name)
    return value


def _shown(value: Any, name: str) -> str:
    if isinstance(value, list):
        return "\n".join(
            f"({letter}) {_written(one, name)}" for letter, one in zip(ascii_uppercase, value, strict=False)
        )
    return "" if value is None else _written(value, name)


def _written(value: Any, spec: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"column '{spec}' must be text or a number, not {type(value).__name__}")


def _text(row: Values, spec: str, numbers: bool = True) -> str:
    value = _value(row, spec)
    if not numbers and not isinstance(value, str):
        raise TypeError(f"column '{spec}' must be text, not {type(value).__name__}")
    return _written(value, spec)


def _optional(row: Values, spec: str | None) -> str | None:
    value = None if spec is None else _value(row, spec)
    return None if value is None else _written(value, spec or "")


def _numbered(spec: str, number: str, choices: Sequence[str]) -> str:
    if not number.isdecimal() or int(number) >= len(choices):
        raise ValueError(f"column '{spec}' is {number}, but the options are 0 to {len(choices) - 1}")
    return choices[int(number)]
