"""The response log: every answer that was ever paid for, found again by what decides it.

One SQLite file in WAL mode, a row per arrived answer, shared by runs, sweeps and processes. A row is committed when
:meth:`ResponseLog.put` returns, so a killed process loses nothing that had counted. The file is readable by its owner alone:
it holds prompts and answers. Not for network file systems, where SQLite's locks cannot be trusted.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from orca_core.errors import DataError

FORMAT: Final = 1
"""Of the rows and of the key; part of both."""
BUSY_S: Final = 60.0
"""How long a writer waits for another process's transaction."""
LOOKUP: Final = 500
"""Keys in one SELECT, below SQLite's limit on variables."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS reply (
    key BLOB NOT NULL UNIQUE,
    model TEXT NOT NULL,
    request TEXT NOT NULL,
    reply TEXT NOT NULL,
    at REAL NOT NULL
)
"""


def canonical_json(value: Any) -> str:
    """One text for equal values: sorted keys, no blanks, UTF-8. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def make_request(
    model: str, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any], sample: int = 0
) -> dict[str, Any]:
    """What decides an answer. Settings that are None were not sent, so they are left out."""
    sent = {name: value for name, value in decoding.items() if value is not None}
    return {"model": model, "messages": list(messages), "decoding": sent, "sample": sample}


def request_key(
    model: str, messages: Sequence[Mapping[str, str]], decoding: Mapping[str, Any], sample: int = 0
) -> bytes:
    """16 bytes of BLAKE2b over the canonical request and the format number.

    Args:
        model: as asked for, with its provider (``openai/gpt-4``).
        messages: in the OpenAI form.
        decoding: temperature, top_p, max_tokens, seed, stop, ...: whatever changes the text. Keys, hosts, time limits and
            names of runs do not belong in here.
        sample: the number of the answer when several are wanted of one prompt.
    """
    text = canonical_json([FORMAT, make_request(model, messages, decoding, sample)])
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class ResponseLog:
    """The log at ``path``, made if absent. Safe with several threads and processes; a context manager that closes it.

    Raises:
        DataError: the file is no response log, of another format, or cannot be read or written (a full disk).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        with self._explained():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what was put is in it already."""
        with self._lock:
            self._db.close()

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, dict[str, Any]]:
        """The stored replies of those keys that have one."""
        found: dict[bytes, dict[str, Any]] = {}
        remaining = iter(keys)
        while some := tuple(islice(remaining, LOOKUP)):
            marks = ",".join("?" * len(some))
            with self._lock, self._explained():
                rows = self._db.execute(f"SELECT key, reply FROM reply WHERE key IN ({marks})", some).fetchall()
            found.update((key, json.loads(reply)) for key, reply in rows)
        return found

    def put(self, key: bytes, request: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
        """Store an arrived reply; returns when it is committed.

        Args:
            key: :func:`request_key` of the request.
            request: :func:`make_request`, kept to be read by people and exports.
            reply: anything JSON can hold.

        Returns:
            The reply that the log holds from now on: the first to arrive under this key, so that everyone uses the same.
        """
        row = (key, str(request["model"]), canonical_json(request), canonical_json(reply), time.time())
        with self._lock, self._explained():
            added = self._db.execute("INSERT OR IGNORE INTO reply VALUES (?, ?, ?, ?, ?)", row).rowcount
        return dict(reply) if added else self.get_many([key])[key]

    def mean(self, model: str, field: str) -> float | None:
        """Mean of a numeric field over the replies of a model (``completion_tokens``); None if there are none."""
        query = "SELECT avg(json_extract(reply, '$.' || ?)) FROM reply WHERE model = ?"
        with self._lock, self._explained():
            (value,) = self._db.execute(query, (field, model)).fetchone()
        return None if value is None else float(value)

    def __len__(self) -> int:
        with self._lock, self._explained():
            return int(self._db.execute("SELECT count(*) FROM reply").fetchone()[0])

    def _prepare(self) -> None:
        """Bring a new file into shape, in one transaction, so that processes that start together do not collide."""
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._use_wal()
        with self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                raise DataError(
                    self.path, f"response log of format {version}, this orca reads {FORMAT}; use another store"
                )
            self._db.execute(SCHEMA)
            self._db.execute(f"PRAGMA user_version={FORMAT}")

    def _use_wal(self) -> None:
        """The one statement that SQLite's busy timeout does not cover: wait by hand while others do the same."""
        deadline = time.monotonic() + BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            advice = (
                "make room and run again, finished answers are kept" if _full(error) else "move it away and run again"
            )
            raise DataError(self.path, f"the response log cannot be used ({error}); {advice}") from error


def _full(error: Exception) -> bool:
    return isinstance(error, OSError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
    )
