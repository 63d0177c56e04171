"""Prompts and traces as Parquet: a flat row each, so that ``datasets`` and pandas open the files as they are.

Writing is atomic (a temporary file in the same directory, fsync, rename): a file under its final name is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from orca_core.errors import DataError
from orca_core.records import FINISHED, Decoding, Prompt, Query, Trace, Turn

Row = dict[str, Any]

PROMPT_COLUMNS: Final = {
    "id": "string",
    "collection": "string",
    "task": "string",
    "system": "string",
    "query": "string",
    "history": "string",
    "target": "string",
    "query_choices": "list<string>",
    "prompt_choices": "list<string>",
    "sample": "int64",
    "prompt_decoding": "string",
    "meta": "string",
}
TRACE_COLUMNS: Final = PROMPT_COLUMNS | {
    "response": "string",
    "model": "string",
    "finish_reason": "string",
    "prompt_tokens": "int64",
    "completion_tokens": "int64",
    "latency_s": "double",
    "cost_usd": "double",
    "decoding": "string",
    "choice_logprobs": "list<double>",
    "choice_greedy": "list<bool>",
    "logprob": "double",
    "correct": "bool",
    "error": "string",
}


def prompt_row(prompt: Prompt) -> Row:
    """The flat row of a prompt."""
    query = prompt.query
    return {
        "id": prompt.id,
        "collection": query.collection,
        "task": query.task,
        "system": prompt.system,
        "query": query.text,
        "history": json.dumps(query.history, ensure_ascii=False) if query.history else "",
        "target": query.target,
        "query_choices": list(query.choices),
        "prompt_choices": list(prompt.choices),
        "sample": prompt.sample,
        "prompt_decoding": _dumps(prompt.decoding),
        "meta": _dumps(query.meta),
    }


def trace_row(trace: Trace) -> Row:
    """The flat row of a trace: its prompt's columns and the answer's."""
    return prompt_row(trace.prompt) | {
        "response": trace.text,
        "model": trace.model,
        "finish_reason": trace.finish_reason,
        "prompt_tokens": trace.prompt_tokens,
        "completion_tokens": trace.completion_tokens,
        "latency_s": trace.latency_s,
        "cost_usd": trace.cost_usd,
        "decoding": _dumps(trace.decoding),
        "choice_logprobs": None if trace.choice_logprobs is None else list(trace.choice_logprobs),
        "choice_greedy": None if trace.choice_greedy is None else list(trace.choice_greedy),
        "logprob": trace.logprob,
        "correct": trace.correct,
        "error": trace.error,
    }


def row_prompt(row: Mapping[str, Any]) -> Prompt:
    """The prompt of a row; ``query`` and ``task`` are required, the rest may be absent.

    Raises:
        KeyError: a required column is missing.
        TypeError: a column has another type than text.
    """
    query = Query(
        text=_text(row, "query"),
        task=_text(row, "task"),
        collection=row.get("collection") or "",
        target=row.get("target"),
        choices=tuple(row.get("query_choices") or ()),
        meta=_loads(row.get("meta")),
        history=_history(row.get("history")),
    )
    return Prompt(
        query,
        system=row.get("system") or "",
        choices=tuple(row.get("prompt_choices") or ()),
        sample=row.get("sample") or 0,
        decoding=cast(Decoding, _loads(row.get("prompt_decoding"))),
    )


def row_trace(row: Mapping[str, Any]) -> Trace:
    """The trace of a row; as :func:`row_prompt`, with ``response`` required too."""
    logprobs, greedy = row.get("choice_logprobs"), row.get("choice_greedy")
    return Trace(
        prompt=row_prompt(row),
        text=_text(row, "response"),
        model=row.get("model") or "",
        finish_reason=row.get("finish_reason") or FINISHED,
        prompt_tokens=row.get("prompt_tokens"),
        completion_tokens=row.get("completion_tokens"),
        latency_s=row.get("latency_s"),
        cost_usd=row.get("cost_usd"),
        decoding=_loads(row.get("decoding")),
        choice_logprobs=None if logprobs is None else tuple(logprobs),
        choice_greedy=None if greedy is None else tuple(greedy),
        logprob=row.get("logprob"),
        correct=row.get("correct"),
        error=row.get("error") or "",
    )


def write_rows(path: Path, rows: Iterable[Row], columns: Mapping[str, str]) -> int:
    """Write rows to ``path`` (Parquet, zstd) under that name only when they are all on disk; returns how many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(list(rows), schema=arrow_schema(columns))
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        pq.write_table(table, temporary, compression="zstd")
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return int(table.num_rows)


def write_prompts(path: Path, prompts: Iterable[Prompt]) -> int:
    """Write prompts as one Parquet file."""
    return write_rows(path, map(prompt_row, prompts), PROMPT_COLUMNS)


def write_traces(path: Path, traces: Iterable[Trace]) -> int:
    """Write traces as one Parquet file."""
    return write_rows(path, map(trace_row, traces), TRACE_COLUMNS)


def read_rows(paths: Iterable[Path]) -> Iterator[Row]:
    """The rows of Parquet files, a batch in memory at a time.

    Raises:
        DataError: a file is missing or no Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=4096):
                    yield from batch.to_pylist()
        except (OSError, pa.ArrowInvalid) as error:
            raise DataError(path, f"not a readable Parquet file ({error}); delete it and run again") from error


def read_prompts(paths: Iterable[Path]) -> Iterator[Prompt]:
    """Prompts from Parquet files written by :func:`write_prompts`."""
    return map(row_prompt, read_rows(paths))


def read_traces(paths: Iterable[Path]) -> Iterator[Trace]:
    """Traces from Parquet files written by :func:`write_traces`."""
    return map(row_trace, read_rows(paths))


def arrow_schema(columns: Mapping[str, str]) -> Any:
    """The ``pyarrow.Schema`` of columns such as :data:`TRACE_COLUMNS`."""
    import pyarrow as pa

    return pa.schema([(name, _arrow_type(pa, kind)) for name, kind in columns.items()])


def _arrow_type(pa: Any, kind: str) -> Any:
    inner = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
    return pa.list_(inner[kind[5:-1]]) if kind.startswith("list<") else inner[kind]


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise TypeError(f"column '{column}' must be text, not {type(value).__name__}")
    return value


def _history(value: Any) -> tuple[Turn, ...]:
    """The turns of a column that holds them, or their JSON."""
    return tuple(Turn(*turn) for turn in (json.loads(value) if isinstance(value, str) and value else value or ()))


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, ensure_ascii=False) if value else ""


def _loads(text: str | Mapping[str, Any] | None) -> Mapping[str, Any]:
    if isinstance(text, Mapping):
        return text
    return json.loads(text) if text else {}
