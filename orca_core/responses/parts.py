"""Parts of a log: what it lacks, what a worker's own log on another machine starts with, what that hands over now and then.

SQLite's locks cannot be trusted on a network disk, so a log never lies on one: closed files of new rows travel instead, and
are merged. Merging is by key and time of arrival, so that a row that travels twice counts once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from orca_core.responses.reader import Reader
from orca_core.responses.schema import connect, create, explained

T = TypeVar("T")
LOOKED_UP: Final = 1000
"""Items whose keys are looked up together."""
Balance = tuple[str, int, int, int]
"""An account, and what it has spent: money in 10^-12 dollars, requests, tokens."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a log has been handed over: its last reply and dead letter, and how many maybe billed requests it had."""

    reply: int = 0
    dead: int = 0
    maybe: int = 0


def unanswered(path: Path, items: Iterable[T], key: Callable[[T], bytes]) -> Iterator[T]:
    """The items whose request has no reply in the log, in order. ``key`` gives an item's :func:`request_key`."""
    source, log = iter(items), Reader(path)
    try:
        while some := list(islice(source, LOOKED_UP)):
            keys = [key(item) for item in some]
            known = log.answered(keys)
            yield from (item for item, its in zip(some, keys, strict=True) if its not in known)
    finally:
        log.close()


def balances(path: Path, share: float) -> list[Balance]:
    """That share of what each account has spent, rounded up: with the same share of its cap it leaves that share of the rest."""
    with explained(path):
        db = connect(path)
        try:
            rows = db.execute("SELECT name, usd, requests, tokens FROM account ORDER BY name").fetchall()
        finally:
            db.close()
    return [(name, *(math.ceil(value * share) for value in spent)) for name, *spent in rows]


def start(path: Path, opening: Sequence[Balance]) -> None:
    """Make a log whose accounts begin with these balances; one that is there already has them, and stays as it is."""
    if path.exists():
        return
    beginning = path.with_name(f".{path.name}.new")
    beginning.unlink(missing_ok=True)
    create(beginning)
    with explained(beginning):
        db = connect(beginning)
        try:
            db.executemany("INSERT INTO account VALUES (?, ?, ?, ?, 0, 0)", opening)
            db.execute("PRAGMA journal_mode=DELETE")
        finally:
            db.close()
    beginning.replace(path)


def cut(path: Path, to: Path, since: Mark) -> Mark | None:
    """Write what the log has taken in since then to a closed file; None, and no file, if there is nothing.

    Args:
        path: the log; others may be writing to it.
        to: the new file, on a local disk.
        since: what :func:`cut` returned before.

    Returns:
        How far the log is handed over with this file.
    """
    with explained(path):
        db = connect(path)
        try:
            mark = Mark(*db.execute(_MARK).fetchone())
        finally:
            db.close()
    if mark == since:
        return None
    to.unlink(missing_ok=True)
    create(to)
    with explained(to):
        db = connect(to)
        try:
            db.execute("ATTACH ? AS log", (str(path),))
            db.execute("BEGIN")
            for statement, values in _copies(since, mark):
                db.execute(statement, values)
            db.execute("COMMIT")
            db.execute("DETACH log")
            db.execute("PRAGMA journal_mode=DELETE")
        finally:
            db.close()
    return mark


_MARK = """SELECT (SELECT coalesce(max(id), 0) FROM reply), (SELECT coalesce(max(rowid), 0) FROM dead),
    (SELECT count(*) FROM maybe)"""


def _copies(since: Mark, mark: Mark) -> list[tuple[str, tuple[int, ...]]]:
    new = "WHERE id > ? AND id <= ?"
    return [
        (f"INSERT INTO main.reply SELECT * FROM log.reply {new}", (since.reply, mark.reply)),
        (f"INSERT INTO main.body SELECT * FROM log.body {new}", (since.reply, mark.reply)),
        ("INSERT INTO main.dead SELECT * FROM log.dead WHERE rowid > ? AND rowid <= ?", (since.dead, mark.dead)),
        ("INSERT INTO main.maybe SELECT * FROM log.maybe", ()),  # few, small, and numbered by what they are
    ]
