"""The rows that one transaction reads and writes, in few statements however many there are.

Python gives up its lock in every step of a statement, and a busy event loop takes its time to give it back: what pays is
statements over many rows, sized by powers of two so that SQLite compiles each once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

LOOKUP: Final = 256
"""Keys in one SELECT or DELETE."""
WRITTEN: Final = 64
"""Rows in one INSERT; with 11 columns still below the 999 variables of an old SQLite."""


class Claim(NamedTuple):
    """A request that someone is about to have answered: out, or between two attempts (then nothing is reserved)."""

    key: bytes
    owner: str | None
    batch: str | None
    model: str
    account: str
    at: float
    attempts: int
    out: bool
    usd: int
    tokens: int


class Reply(NamedTuple):
    """What an arrived reply counts for."""

    key: bytes
    model: str
    account: str
    at: float
    attempts: int
    prompt_tokens: int | None
    completion_tokens: int | None
    latency_s: float | None
    usd: int
    tokens: int


class Body(NamedTuple):
    """Its texts, in JSON."""

    request: str
    reply: str


class Arrived(NamedTuple):
    """A reply as it came, before it is booked. None: the provider did not tell."""

    key: bytes
    model: str
    at: float
    prompt_tokens: int | None
    completion_tokens: int | None
    latency_s: float | None
    usd: int | None
    body: Body

    def booked(self, account: str, attempts: int, usd: int, tokens: int) -> Reply:
        """What it counts for. What the provider did not tell is booked at what was reserved, so that no cap is passed."""
        counted = self.prompt_tokens is not None and self.completion_tokens is not None
        return Reply(
            self.key,
            self.model,
            account,
            self.at,
            attempts,
            self.prompt_tokens,
            self.completion_tokens,
            self.latency_s,
            usd if self.usd is None else self.usd,
            (self.prompt_tokens or 0) + (self.completion_tokens or 0) if counted else tokens,
        )


class MaybeRow(NamedTuple):
    """A request that was paid, or may have been, and has no reply of its own."""

    id: int
    key: bytes
    model: str
    account: str
    at: float
    usd: int
    tokens: int


class Dead(NamedTuple):
    """A request that was given up."""

    key: bytes
    model: str
    request: str
    kind: str
    text: str
    attempts: int
    at: float


@dataclass(slots=True)
class Account:
    """Everything ever spent under a name, reserved or maybe billed included; money in 10^-12 dollars."""

    usd: int = 0
    requests: int = 0
    tokens: int = 0
    maybe_usd: int = 0
    maybe_requests: int = 0


class Rows:
    """The tables, through one connection inside a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def answered(self, keys: Collection[bytes]) -> set[bytes]:
        """Those keys that have a reply."""
        query = "SELECT json_group_array(hex(key)) FROM reply WHERE key IN ({})"
        return {bytes.fromhex(key) for row in select(self.db, query, keys) for key in json.loads(row[0])}

    def claims(self, keys: Collection[bytes]) -> dict[bytes, Claim]:
        """The claims on those keys."""
        return self._claims("key IN ({})", keys)

    def claims_of(self, owners: Collection[str]) -> dict[bytes, Claim]:
        """The claims of those owners."""
        return self._claims("owner IN ({})", owners)

    def claims_under(self, batch: str) -> dict[bytes, Claim]:
        """The claims of a provider batch."""
        return self._claims("batch IN ({})", [batch])

    def _claims(self, condition: str, values: Collection[Any]) -> dict[bytes, Claim]:
        # one row out of many, as each row is a step
        columns = ",".join(("hex(key)", *Claim._fields[1:]))
        query = f"SELECT json_group_array(json_array({columns})) FROM claim WHERE {condition}"
        found = (row for (text,) in select(self.db, query, values) for row in json.loads(text))
        claims = (Claim(bytes.fromhex(key), *rest) for key, *rest in found)
        return {claim.key: claim for claim in claims}

    def account(self, name: str) -> Account:
        """An account as it stands."""
        query = "SELECT usd, requests, tokens, maybe_usd, maybe_requests FROM account WHERE name = ?"
        row = self.db.execute(query, (name,)).fetchone()
        return Account(*row) if row else Account()

    def arrived_at(self, key: bytes) -> float:
        """When the reply of a key that has one arrived."""
        return float(self.db.execute("SELECT at FROM reply WHERE key = ?", (key,)).fetchone()[0])

    def has_maybe(self, number: int) -> bool:
        """Whether that row of what was maybe billed is there."""
        return self.db.execute("SELECT 1 FROM maybe WHERE id = ?", (number,)).fetchone() is not None

    def has_dead(self, key: bytes) -> bool:
        """Whether there is a dead letter of a key."""
        return self.db.execute("SELECT 1 FROM dead WHERE key = ?", (key,)).fetchone() is not None

    def add_replies(self, replies: Sequence[Reply], bodies: Sequence[Body]) -> None:
        """New replies; their dead letters go."""
        (last,) = self.db.execute("SELECT max(id) FROM reply").fetchone()
        numbers = range((last or 0) + 1, (last or 0) + 1 + len(replies))
        insert(
            self.db, "INSERT INTO reply VALUES", [(number, *row) for number, row in zip(numbers, replies, strict=True)]
        )
        insert(
            self.db, "INSERT INTO body VALUES", [(number, *row) for number, row in zip(numbers, bodies, strict=True)]
        )
        self.remove("dead", [row.key for row in replies])

    def remove(self, table: str, keys: Collection[bytes]) -> None:
        """The rows of those keys go."""
        for some in chunks(keys, LOOKUP):
            self.db.execute(f"DELETE FROM {table} WHERE key IN ({marks(len(some))})", some)

    def add_claims(self, claims: Sequence[Claim]) -> None:
        """New or changed claims."""
        insert(self.db, "INSERT OR REPLACE INTO claim VALUES", claims)

    def add_maybe(self, rows: Sequence[MaybeRow]) -> None:
        """What was maybe billed."""
        insert(self.db, "INSERT INTO maybe VALUES", rows)

    def add_dead(self, rows: Sequence[Dead]) -> None:
        """Dead letters; a later one of a key replaces an earlier one."""
        insert(self.db, "INSERT OR REPLACE INTO dead VALUES", rows)

    def save_batch(self, name: str, model: str, data: str, at: float) -> None:
        """A provider batch, new or changed."""
        self.db.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET model = excluded.model, data = excluded.data",
            (name, model, data, at),
        )

    def set_accounts(self, accounts: dict[str, Account]) -> None:
        """Accounts as they stand now."""
        rows = [(n, a.usd, a.requests, a.tokens, a.maybe_usd, a.maybe_requests) for n, a in accounts.items()]
        insert(self.db, "INSERT OR REPLACE INTO account VALUES", rows)


def select(db: sqlite3.Connection, query: str, values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of a query with ``IN ({})`` over any number of values."""
    for some in chunks(values, LOOKUP):
        yield from db.execute(query.format(marks(len(some))), some).fetchall()


def insert(db: sqlite3.Connection, head: str, rows: Sequence[Sequence[Any]]) -> None:
    """``INSERT ... VALUES`` of any number of rows."""
    start = 0
    while start < len(rows):
        n = min(WRITTEN, 1 << ((len(rows) - start).bit_length() - 1))
        some = rows[start : start + n]
        row = f"({marks(len(some[0]))})"
        db.execute(f"{head} {','.join([row] * n)}", [value for values in some for value in values])
        start += n


def chunks(values: Iterable[Any], most: int) -> Iterator[list[Any]]:
    """Lists of at most ``most`` values, filled up to a power of two by repeating the last."""
    todo = list(values)
    for start in range(0, len(todo), most):
        some = todo[start : start + most]
        yield some + some[-1:] * ((1 << (len(some) - 1).bit_length()) - len(some))


def marks(n: int) -> str:
    """``?,?,?``."""
    return ",".join("?" * n)
