"""Batches of the fake batch API: what a batch is, what becomes of it, and the lines of its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

ENDED: Final = ("completed", "expired", "cancelled", "failed")
ENQUEUED: Final = "token_limit_exceeded"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of a batch."""

    seconds: float = 0.0
    """How long it takes, from its creation to its end."""
    errors: Mapping[int, int] = field(default_factory=dict)
    """Requests, by line from 0, that end in the error file, with the HTTP status of their error."""
    expires_after: int | None = None
    """Only so many requests are worked on; the others are in the error file as expired."""
    failure: tuple[str, str] | None = None
    """Code and message with which the file as a whole is found invalid."""


@dataclass
class Batch:
    """A batch as the server knows it."""

    id: str
    input: str
    """Its input file."""
    metadata: Mapping[str, str]
    rows: Sequence[Mapping[str, Any]]
    at: float
    """Unix time of its creation."""
    fate: Fate = field(default_factory=Fate)
    status: str = "validating"
    problem: tuple[str, str] | None = None
    """Code and message, if it failed."""
    files: dict[str, str] = field(default_factory=dict)
    """``output_file_id`` and ``error_file_id``, once it has ended."""
    counts: Mapping[str, int] = field(default_factory=lambda: {"total": 0, "completed": 0, "failed": 0})

    @property
    def shown(self) -> dict[str, Any]:
        """The batch as OpenAI writes it."""
        errors = [dict(zip(("code", "message"), self.problem, strict=True))] if self.problem else None
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "input_file_id": self.input,
            "output_file_id": self.files.get("output_file_id"),
            "error_file_id": self.files.get("error_file_id"),
            "status": self.status,
            "created_at": int(self.at),
            "request_counts": self.counts,
            "metadata": self.metadata,
            "errors": {"object": "list", "data": errors} if errors else None,
        }


def read_row(line: bytes) -> dict[str, Any]:
    """A line of an input file; empty if it is no request."""
    try:
        row = json.loads(line)
    except ValueError:
        return {}
    return row if isinstance(row, dict) and {"custom_id", "body", "url", "method"} <= row.keys() else {}


def outcome(row: Mapping[str, Any], response: tuple[int, Any] | None) -> bytes:
    """A line of an output or error file; without a response the request has expired."""
    line: dict[str, Any] = {"id": f"batch_req_{row['custom_id']}", "custom_id": row["custom_id"]}
    if response is None:
        text = "This request could not be executed before the completion window expired."
        line |= {"response": None, "error": {"code": "batch_expired", "message": text}}
    else:
        sent = {"status_code": response[0], "request_id": f"req_{row['custom_id']}", "body": response[1]}
        line |= {"response": sent, "error": None}
    return json.dumps(line).encode() + b"\n"


def read_form(content_type: str, data: bytes) -> dict[str, bytes]:
    """The fields of a ``multipart/form-data`` body by name."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    fields = {}
    for part in data.split(b"--" + boundary)[1:-1]:
        head, _, payload = part.partition(b"\r\n\r\n")
        if name := re.search(rb'[; ]name="([^"]*)"', head):
            fields[name[1].decode()] = payload.removesuffix(b"\r\n")
    return fields
