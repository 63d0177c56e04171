"""The writer: one thread per open log that commits what is waiting in groups, as one flush to the disk costs like a hundred rows."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from orca_core.responses.books import Books
from orca_core.responses.rows import Rows
from orca_core.responses.schema import CACHE_KIB, connect, explain

T = TypeVar("T")
GATHER_S: Final = 0.002
"""Least time between the starts of two commits: where a flush takes longer it changes nothing, elsewhere it saves their work."""

COMPANY_S: Final = 0.0003
"""How long the first operation waits for others: a reply for the request that takes its slot, so that they share a commit.
As commits keep the order, no request then leaves before the reply that made room for it is on the disk."""

log = logging.getLogger("orca")


@dataclass(frozen=True, slots=True)
class Operation(Generic[T]):
    """A change, the keys whose state it needs, and what its caller learns once it is on the disk."""

    keys: Sequence[bytes]
    apply: Callable[[Books], T]


@dataclass(slots=True)
class _Waiting:
    operation: Operation[Any]
    future: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    result: Any = None
    error: Exception | None = None


class Writer:
    """Commits operations in the order of their arrival.

    After an error of the file nothing more is written: the group that met it and all later operations end with a
    :class:`~orca_core.DataError`.
    """

    def __init__(self, path: Path, books: Callable[[Rows, Collection[bytes]], Books]) -> None:
        self._path, self._books = path, books
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = threading.Lock()
        self.closed = False
        self._error: Exception | None = None
        self._db = connect(path)
        self._db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        self._thread = threading.Thread(target=self._run, name=f"orca log {path.name}", daemon=True)
        self._thread.start()

    @property
    def usable(self) -> bool:
        """Whether anything can be written still."""
        return self._error is None

    def do(self, operation: Operation[T]) -> T:
        """Carry out an operation; returns when it is on the disk."""
        future: Future[T] = Future()
        self._put(_Waiting(operation, future, None))
        return future.result()

    async def ado(self, operation: Operation[T]) -> T:
        """The same for an event loop. If its task is cancelled meanwhile, the operation may be carried out all the same."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._put(_Waiting(operation, future, loop))
        return await future

    def close(self) -> None:
        """Commit what is waiting and end the thread."""
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._queue.put(None)
        self._thread.join()
        self._db.close()

    def _put(self, waiting: _Waiting) -> None:
        with self._lock:
            if self.closed:
                raise ValueError(f"the response log {self._path} is closed")
            self._queue.put(waiting)

    def _run(self) -> None:
        going = True
        while going:
            group = [self._queue.get()]
            started = time.monotonic()
            time.sleep(COMPANY_S)
            while not self._queue.empty():
                group.append(self._queue.get())
            waiting = [one for one in group if one is not None]
            going = len(waiting) == len(group)
            if waiting:
                self._carry_out(waiting)
                _deliver(waiting)
            if going and (rest := started + GATHER_S - time.monotonic()) > 0:
                time.sleep(rest)

    def _carry_out(self, group: list[_Waiting]) -> None:
        try:
            if self._error is not None:
                raise self._error
            self._commit(group)
        except Exception as error:
            self._error = error
            for one in group:
                one.error = explain(self._path, error) if isinstance(error, (sqlite3.Error, OSError)) else error

    def _commit(self, group: list[_Waiting]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            books = self._books(Rows(self._db), {key for one in group for key in one.operation.keys})
            for one in group:
                try:
                    one.result = one.operation.apply(books)
                except ValueError as error:  # the caller's mistake, found before anything was changed
                    one.error = error
            books.save()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _deliver(group: list[_Waiting]) -> None:
    """Wake the callers: threads one by one, each event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[_Waiting]] = defaultdict(list)
    for one in group:
        if one.loop is None:
            _settle([one])
        else:
            loops[one.loop].append(one)
    for loop, ones in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, ones)
        except RuntimeError:  # the loop was closed: nobody waits any more
            log.debug("%d operations of the response log ended after their event loop", len(ones))


def _settle(group: list[_Waiting]) -> None:
    for one in group:
        if one.future.done():
            continue  # its task was cancelled
        if one.error is not None:
            one.future.set_exception(one.error)
        else:
            one.future.set_result(one.result)
