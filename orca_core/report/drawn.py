"""Sections of the report made from counts: a draw, and the answers to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from orca_core.counts import MESSAGES, OUTCOMES, TASKS, TOKENS, WORDS, Counts, add_up, most_only
from orca_core.records import DEAD
from orca_core.report.sections import (
    OTHERS,
    PERCENTILES,
    TEXT_LIMIT,
    Answers,
    CollectionRow,
    Draw,
    Example,
    Lengths,
    LengthTable,
    MessageRow,
    TaskRow,
    TaskTable,
    Verdicts,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_COLLECTIONS: Final = 12
_MESSAGES: Final = 40
_LARGEST, _SMALLEST = 20, 5


def describe_draw(
    title: str,
    key: str,
    counts: Counts,
    pools: Mapping[str, Mapping[str, int]] | None = None,
    names: Mapping[str, str] | None = None,
) -> Draw:
    """What was drawn.

    Args:
        title: the phases that it is for.
        key: of the stage that drew it.
        counts: of its prompts, or of their answers, whose lengths are then left out.
        pools: as the sampler tells them.
        names: of system messages by their text.
    """
    if not counts.n:
        return Draw(title=title, key=key, n=0)
    tasks = most_only(counts.by[TASKS], "collection", _COLLECTIONS, OTHERS)
    return Draw(
        title=title,
        key=key,
        n=counts.n,
        collections=_collection_rows(tasks),
        messages=_message_rows(counts.by[MESSAGES], names or {}),
        tasks=_task_table(add_up(tasks, "collection", "task")),
        words=_length_table("words", counts.by[WORDS]) if OUTCOMES not in counts.by else None,
        pools={collection: dict(pool) for collection, pool in (pools or {}).items()},
        examples=[example(row) for row in counts.examples],
    )


def describe_answers(title: str, key: str, counts: Counts) -> Answers:
    """How prompts were answered."""
    if not counts.n:
        return Answers(title=title, key=key, n=0)
    outcomes = most_only(counts.by[OUTCOMES], "collection", _COLLECTIONS, OTHERS)
    tokens = counts.by[TOKENS]
    return Answers(
        title=title,
        key=key,
        n=counts.n,
        models={name: n for name, n in _ranked(outcomes, "model").items() if name},
        finish_reasons=_ranked(outcomes, "finish_reason"),
        verdicts=_verdicts(outcomes),
        words=_length_table("words", counts.by[WORDS]) if counts.by[WORDS].num_rows else None,
        tokens=_length_table("tokens", tokens) if tokens.num_rows else None,
    )


def example(row: Mapping[str, Any]) -> Example:
    """A row of prompts or traces to look at; of a dead letter, the prompt alone."""
    shown = {name: cut(value) for name in Example.model_fields if (value := row.get(name)) is not None}
    if row.get("finish_reason") == DEAD:
        shown.pop("response", None)
    return Example(**shown)


def cut(value: str) -> str:
    """A text for looking at."""
    return value if len(value) <= TEXT_LIMIT else f"{value[:TEXT_LIMIT]}\u2026 ({len(value):,} characters)"


def _collection_rows(tasks: pa.Table) -> list[CollectionRow]:
    import pyarrow.compute as pc

    choices = _ranked(tasks.filter(pc.equal(tasks["multiple_choice"], True)), "collection")
    several = add_up(tasks, "collection", "task")["collection"].value_counts().to_pylist()
    number = {row["values"]: row["counts"] for row in several}
    return [
        CollectionRow(collection=name, n=n, tasks=number[name], multiple_choice=choices.get(name, 0))
        for name, n in _ranked(tasks, "collection").items()
    ]


def _message_rows(messages: pa.Table, names: Mapping[str, str]) -> list[MessageRow]:
    few = most_only(most_only(messages, "collection", _COLLECTIONS, OTHERS), "system", _MESSAGES, OTHERS)
    parts: dict[str, dict[str, int]] = {}
    for row in add_up(few, *MESSAGES).sort_by([("n", "descending"), ("collection", "ascending")]).to_pylist():
        parts.setdefault(row["system"], {})[row["collection"]] = row["n"]
    return [
        MessageRow(message=cut(text), name=names.get(text, ""), n=n, collections=parts[text])
        for text, n in _ranked(few, "system").items()
    ]


def _task_table(tasks: pa.Table) -> TaskTable:
    import numpy as np

    order = tasks.sort_by([("n", "descending"), ("collection", "ascending"), ("task", "ascending")])
    edges = bin_edges(int(order["n"][0].as_py()))
    return TaskTable(
        count=tasks.num_rows,
        edges=edges,
        histogram={
            name: histogram(sizes, np.ones_like(sizes), edges)
            for name in _ranked(tasks, "collection")
            for sizes in [_of(tasks, "collection", name)["n"].to_numpy()]
        },
        largest=[TaskRow(**row) for row in order.slice(0, _LARGEST).to_pylist()],
        smallest=[TaskRow(**row) for row in order.slice(max(0, order.num_rows - _SMALLEST)).to_pylist()],
    )


def _verdicts(outcomes: pa.Table) -> list[Verdicts]:
    import pyarrow.compute as pc

    judged = _ranked(outcomes.filter(pc.is_valid(outcomes["correct"])), "collection")
    correct = _ranked(outcomes.filter(pc.equal(outcomes["correct"], True)), "collection")
    return [Verdicts(collection=name, judged=n, correct=correct.get(name, 0)) for name, n in judged.items()]


def _length_table(unit: str, table: pa.Table) -> LengthTable:
    """Lengths of all, by collection and by message; the last column but the counts is the length."""
    import pyarrow.compute as pc

    length = table.column_names[-2]
    few = most_only(most_only(table, "collection", _COLLECTIONS, OTHERS), "system", _MESSAGES, OTHERS)
    edges = bin_edges(int(pc.max(table[length]).as_py()))

    def of(group: str, part: pa.Table) -> Lengths:
        summed = add_up(part, length).sort_by(length)
        return _lengths(group, summed[length].to_numpy(), summed["n"].to_numpy(), edges)

    return LengthTable(
        unit=unit,
        edges=edges,
        all=of("", table),
        collections=[of(name, _of(few, "collection", name)) for name in _ranked(few, "collection")],
        messages=[of(cut(name), _of(few, "system", name)) for name in _ranked(few, "system")],
    )


def _lengths(group: str, lengths: np.ndarray, n: np.ndarray, edges: Sequence[int]) -> Lengths:
    """Of ascending lengths, each of which occurs n times."""
    import numpy as np

    up_to = np.cumsum(n)
    total = int(up_to[-1])
    wanted = [-(-total * percent // 100) for percent in PERCENTILES]
    return Lengths(
        group=group,
        n=total,
        mean=float(np.dot(lengths, n) / total),
        percentiles=[int(lengths[place]) for place in np.searchsorted(up_to, wanted)],
        histogram=histogram(lengths, n, edges),
    )


def bin_edges(largest: int) -> list[int]:
    """Bins that grow by half an octave (0, 1, ... 6, 8, 11, 16, ...), the last of which holds ``largest``."""
    edges, half_octaves = [0], 0
    while edges[-1] <= largest:
        edges.append(max(edges[-1] + 1, round(2 ** (half_octaves / 2))))
        half_octaves += 1
    return edges[:-1]


def histogram(values: Any, n: Any, edges: Sequence[int]) -> list[int]:
    """How many values lie in each bin; the i-th value occurs n[i] times."""
    import numpy as np

    bins = np.searchsorted(edges, values, side="right") - 1
    return [int(count) for count in np.bincount(bins, weights=n, minlength=len(edges))]


def _ranked(table: pa.Table, column: str) -> dict[str, int]:
    """The counts by a column, most frequent first, what stands for the others last."""
    order = add_up(table, column).sort_by([("n", "descending"), (column, "ascending")]).to_pylist()
    return {row[column]: row["n"] for row in sorted(order, key=lambda row: bool(row[column] == OTHERS))}


def _of(table: pa.Table, column: str, value: str) -> pa.Table:
    import pyarrow.compute as pc

    return table.filter(pc.equal(table[column], value))
