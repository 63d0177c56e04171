"""Replies as zstd Parquet, for `datasets`, polars, DuckDB: one row per reply, in the order of arrival."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from orca_core.errors import DataError
from orca_core.responses.keys import encodable
from orca_core.responses.terms import PICO

if TYPE_CHECKING:
    import pyarrow as pa

    from orca_core.responses.reader import Reader

PAGE: Final = 200
"""Replies read at once."""
GROUP_BYTES: Final = 32_000_000
"""Text in one row group: what the memory is bounded by, however long the replies are."""
COLUMNS: Final = (
    "id, key, model, account, at, attempts, prompt_tokens, completion_tokens, latency_s, usd, request, reply"
)


def export(log: Reader, path: Path) -> int:
    """Write all replies to ``path``, which appears only when it is whole; returns how many there are.

    Columns: ``key`` (hexadecimal), ``model`` (as asked for), ``messages`` (role, content), ``decoding`` (JSON), ``sample``,
    ``text``, ``finish_reason``, ``prompt_tokens``, ``completion_tokens``, ``cost_usd`` (as booked), ``latency_s`` (seconds),
    ``at`` (UTC), ``account``, ``attempts``, ``served_model``, ``endpoint``, ``request_id``, ``fingerprint``.

    Raises:
        DataError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        count = _write(log, temporary)
        temporary.replace(path)
    except OSError as error:
        raise DataError(path, f"cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return count


def _write(log: Reader, path: Path) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, count = _schema(), 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(log):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return count


def _groups(log: Reader) -> Iterator[list[dict[str, Any]]]:
    group: list[dict[str, Any]] = []
    size = 0
    for page in log.pages(f"SELECT {COLUMNS} FROM reply JOIN body USING (id)", PAGE):
        group += [_row(*row[1:]) for row in page]
        size += sum(len(row[-2]) + len(row[-1]) for row in page)
        if size > GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _row(
    key: bytes,
    model: str,
    account: str,
    at: float,
    attempts: int,
    prompt_tokens: int | None,
    completion_tokens: int | None,
    latency_s: float | None,
    usd: int,
    request: str,
    reply: str,
) -> dict[str, Any]:
    asked, got = json.loads(request), json.loads(reply)
    return {
        "key": key.hex(),
        "model": model,
        "messages": [{name: _text(value) for name, value in message.items()} for message in asked["messages"]],
        "decoding": json.dumps(asked["decoding"]),
        "sample": asked["sample"],
        "text": _text(got.get("text")),
        "finish_reason": _text(got.get("finish_reason")),
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "cost_usd": usd / PICO,
        "latency_s": latency_s,
        "at": round(at * 1_000_000),
        "account": account,
        "attempts": attempts,
        "served_model": _text(got.get("model")),
        "endpoint": _text(got.get("endpoint")),
        "request_id": _text(got.get("id")),
        "fingerprint": _text(got.get("fingerprint")),
    }


def _text(value: Any) -> str | None:
    return None if value is None else encodable(str(value))


def _schema() -> pa.Schema:
    import pyarrow as pa

    text, number = pa.string(), pa.int64()
    message = pa.struct({"role": text, "content": text})
    types = {
        "key": text, "model": text, "messages": pa.list_(message), "decoding": text, "sample": number, "text": text,
        "finish_reason": text, "prompt_tokens": number, "completion_tokens": number, "cost_usd": pa.float64(),
        "latency_s": pa.float64(), "at": pa.timestamp("us", tz="UTC"), "account": text, "attempts": number,
        "served_model": text, "endpoint": text, "request_id": text, "fingerprint": text,
    }  # fmt: skip
    return pa.schema(types)
