"""The questions to a log: they wait for nobody and hold nobody up."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

from orca_core.responses.rows import LOOKUP, Rows, select
from orca_core.responses.schema import connect, create, explained
from orca_core.responses.terms import PICO, DeadLetter, Maybe, Spent, Total

MEANS: Final = ("prompt_tokens", "completion_tokens", "latency_s")
"""What :meth:`Reader.mean` can be asked for."""
DAY: Final = "date(at, 'unixepoch')"


class Reader:
    """What is in the log at ``path``, for any number of threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        create(path)
        self._reading = threading.Lock()
        with explained(path):
            self._connection = connect(path)

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._connection.close()

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, dict[str, Any]]:
        """The stored replies of those keys that have one."""
        query = "SELECT key, reply FROM reply JOIN body USING (id) WHERE key IN ({})"
        return {key: json.loads(reply) for key, reply in self._select(query, keys)}

    def answered(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those keys that have a reply, without reading it: the index answers."""
        return {key for (key,) in self._select("SELECT key FROM reply WHERE key IN ({})", keys)}

    def dead_letters(self, keys: Iterable[bytes]) -> dict[bytes, DeadLetter]:
        """Why those keys that were given up have no reply."""
        query = "SELECT key, kind, text, attempts, at FROM dead WHERE key IN ({})"
        return {key: DeadLetter(*rest) for key, *rest in self._select(query, keys)}

    def mean(self, model: str, field: str) -> float | None:
        """Mean of ``prompt_tokens``, ``completion_tokens`` or ``latency_s`` of a model's replies; None if there are none."""
        if field not in MEANS:
            raise ValueError(f"no mean of '{field}'; known: {', '.join(MEANS)}")
        ((value,),) = self.query(f"SELECT avg({field}) FROM reply WHERE model = ?", model)
        return None if value is None else float(value)

    def __len__(self) -> int:
        return int(self.query("SELECT count(*) FROM reply")[0][0])

    def spent(self, account: str) -> Spent:
        """What an account has spent: settled, maybe billed and reserved."""
        with self._db() as db:
            books = Rows(db).account(account)
        return Spent(books.usd / PICO, books.requests, books.tokens, books.maybe_usd / PICO, books.maybe_requests)

    def accounts(self) -> dict[str, Spent]:
        """All accounts by name."""
        return {name: self.spent(name) for (name,) in self.query("SELECT name FROM account ORDER BY name")}

    def maybe_billed(self) -> Maybe:
        """All requests that left and brought no reply of their own."""
        ((count, usd),) = self.query("SELECT count(*), ifnull(sum(usd), 0) FROM maybe")
        return Maybe(count, usd / PICO)

    def batches(self, model: str) -> dict[str, dict[str, Any]]:
        """What was saved of the provider batches of a model, by name, the oldest first."""
        rows = self.query("SELECT name, data FROM batch WHERE model = ? ORDER BY at, rowid", model)
        return {name: json.loads(data) for name, data in rows}

    def totals(self) -> list[Total]:
        """Replies and maybe billed requests by model and day."""
        sums = "count(*), ifnull(sum(prompt_tokens), 0), ifnull(sum(completion_tokens), 0), sum(usd)"
        replies = self.query(f"SELECT model, {DAY}, {sums} FROM reply GROUP BY 1, 2")
        maybe = self.query(f"SELECT model, {DAY}, count(*), sum(usd) FROM maybe GROUP BY 1, 2")
        rows: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 6)
        for model, day, *values in replies:
            rows[model, day][:4] = values
        for model, day, *values in maybe:
            rows[model, day][4:] = values
        return [
            Total(model, day, replies, prompt, completion, usd / PICO, count, worst / PICO)
            for (model, day), (replies, prompt, completion, usd, count, worst) in sorted(rows.items())
        ]

    def query(self, query: str, *values: Any) -> list[Any]:
        """The rows of any question to the tables (:mod:`orca_core.responses.schema`)."""
        with self._db() as db:
            return db.execute(query, values).fetchall()

    def pages(self, query: str, size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query whose first column is a growing ``id``, ``size`` at a time; nothing is held in between."""
        last = -1
        while rows := self.query(f"{query} WHERE id > ? ORDER BY id LIMIT ?", last, size):
            yield rows
            last = rows[-1][0]

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        with self._reading, explained(self.path):
            yield self._connection

    def _select(self, query: str, keys: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
        """In chunks, so that other readers get their turn and any number of keys will do."""
        remaining = iter(keys)
        while some := list(islice(remaining, LOOKUP)):
            with self._db() as db:
                rows = list(select(db, query, some))
            yield from rows
