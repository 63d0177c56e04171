"""Batches as the provider tells of them, and what can come of asking for one."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from orca_core import UserError

ENQUEUED: Final = ("token_limit_exceeded", "enqueued")
"""Marks of a refusal because too much is enqueued already."""


class RefusedError(UserError):
    """The provider does not do what it was asked for; where that was to take something, nothing was submitted."""

    def __init__(self, reason: str, advice: str, *, missing: bool) -> None:
        super().__init__(f"{reason}. {advice}")
        self.reason, self.missing = reason, missing
        """Missing: it says that there is no such thing."""


class FullError(Exception):
    """Too much is enqueued at the provider; nothing was submitted."""


class UnsureError(Exception):
    """Nobody knows whether a batch was created."""


class Status(enum.Enum):
    """How a batch stands."""

    RUNNING = "running"
    ENDED = "ended"
    """Completed, expired or cancelled: what is in its files is all that there will be."""
    FULL = "full"
    """It failed because too much was enqueued; nothing was worked on."""
    FAILED = "failed"
    """Its file was found invalid; nothing was worked on."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as the provider tells of it."""

    id: str
    status: Status
    word: str
    """The provider's own: ``in_progress``, ``expired``, ..."""
    files: Mapping[str, str]
    """Ids by kind, ``output`` and ``errors``; those that there are."""
    problems: tuple[str, ...]
    done: int
    """Requests that are answered or have failed."""


def is_full(text: str) -> bool:
    """Whether a provider's words say that too much is enqueued."""
    return any(mark in text.lower() for mark in ENQUEUED)


def read_batch(batch: Any) -> RemoteBatch:
    """A batch in OpenAI's form, as its client library parsed it."""
    problems: Sequence[Any] = (batch.errors.data or ()) if batch.errors else ()
    files = {"output": batch.output_file_id, "errors": batch.error_file_id}
    counts = batch.request_counts
    return RemoteBatch(
        id=batch.id,
        status=_status(batch.status, [str(problem.code) for problem in problems]),
        word=batch.status,
        files={kind: file for kind, file in files.items() if file},
        problems=tuple(f"{p.message}{f' (line {p.line})' if p.line is not None else ''}" for p in problems),
        done=counts.completed + counts.failed if counts else 0,
    )


def _status(word: str, codes: Sequence[str]) -> Status:
    match word:
        case "completed" | "expired" | "cancelled":
            return Status.ENDED
        case "failed":
            return Status.FULL if any(is_full(code) for code in codes) else Status.FAILED
        case _:
            return Status.RUNNING
