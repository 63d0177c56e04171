"""The file: its tables, how it is opened, and what its errors mean for people.

Sums over millions of replies must not read their texts, so a reply is a small row and a body. Tables with big rows are rowid
tables with a unique 16-byte key; the small ones (open claims, accounts) are ordered by their key.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from orca_core.errors import DataError

FORMAT: Final = 2
"""Of the tables; ``PRAGMA user_version``."""
FILE: Final = "responses.sqlite"
"""Name of the log in the cache directory of a store."""
BUSY_S: Final = 60.0
"""How long one process waits for another's transaction."""
WAL_PAGES: Final = 4000
"""Pages of 4 KiB in the write-ahead log before they are moved into the file: fewer, larger moves than the default of 1,000."""
CACHE_KIB: Final = 32_768
"""Page cache of the writer: the key index of millions of replies is written at random places."""

TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS reply (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, account TEXT NOT NULL, at REAL NOT NULL,
        attempts INTEGER NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER, latency_s REAL,
        usd INTEGER NOT NULL, tokens INTEGER NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS body (id INTEGER PRIMARY KEY, request TEXT NOT NULL, reply TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS claim (
        key BLOB PRIMARY KEY, owner TEXT, batch TEXT, model TEXT NOT NULL, account TEXT NOT NULL, at REAL NOT NULL,
        attempts INTEGER NOT NULL, out INTEGER NOT NULL, usd INTEGER NOT NULL, tokens INTEGER NOT NULL) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS maybe (
        id INTEGER PRIMARY KEY, key BLOB NOT NULL, model TEXT NOT NULL, account TEXT NOT NULL, at REAL NOT NULL,
        usd INTEGER NOT NULL, tokens INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS dead (
        key BLOB NOT NULL UNIQUE, model TEXT NOT NULL, request TEXT NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
        attempts INTEGER NOT NULL, at REAL NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS account (
        name TEXT PRIMARY KEY, usd INTEGER NOT NULL, requests INTEGER NOT NULL, tokens INTEGER NOT NULL,
        maybe_usd INTEGER NOT NULL, maybe_requests INTEGER NOT NULL) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS batch (name TEXT NOT NULL UNIQUE, model TEXT NOT NULL, data TEXT NOT NULL, at REAL NOT NULL)",
)


def create(path: Path) -> None:
    """Make the file, or check the one that is there.

    Raises:
        DataError: it is no response log, of another format, or cannot be read or written.
    """
    with explained(path):
        make_private(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
        db = connect(path)
        try:
            _prepare(db, path)
        finally:
            db.close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits survive a power cut; several threads may use it one after another."""
    db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256)
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA wal_autocheckpoint={WAL_PAGES}")
    return db


def make_private(directory: Path) -> None:
    """Make the directories that are missing, for their owner alone."""
    for missing in reversed([d for d in (directory, *directory.parents) if not d.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Bring a new file into shape in one transaction, so that processes that start together do not collide."""
    _use_wal(db)
    db.execute("BEGIN IMMEDIATE")
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise DataError(path, f"response log of format {version}, this orca reads {FORMAT}; use another store")
        if version == 0:
            for table in TABLES:
                db.execute(table)
            db.execute(f"PRAGMA user_version={FORMAT}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _use_wal(db: sqlite3.Connection) -> None:
    """The one statement that SQLite's busy timeout does not cover: wait by hand while others do the same."""
    deadline = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of the file as errors for people."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise explain(path, error) from error


def explain(path: Path, error: Exception) -> DataError:
    """What happened to the file and what to do about it."""
    return DataError(path, f"the response log cannot be used ({error}); {_advice(error)}")


def _advice(error: Exception) -> str:
    code = _code(error)
    if isinstance(error, OSError) or code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        return "make room or mend the disk and run again, finished answers are kept"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"another process has held it for over {BUSY_S:.0f} s; end that one and run again"
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return "make the file and its directory writable for you, or choose another store"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "it is damaged or no response log: move it away and run again (sqlite3's .recover may save its answers)"
    return "move it away and run again"


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
