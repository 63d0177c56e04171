"""One entry of the log, found by the beginning of its key."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from orca_core.errors import UserError
from orca_core.responses.reader import Reader
from orca_core.responses.terms import PICO, DeadLetter

DIGITS: Final = 32
"""Of a whole key."""
SHOWN: Final = 5
"""Keys in a message."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything that the log knows of a request."""

    key: bytes
    model: str
    account: str
    at: float
    """Of its reply, its dead letter or its last attempt; seconds since 1970."""
    attempts: int
    cost_usd: float | None = None
    """As booked."""
    request: dict[str, Any] | None = None
    reply: dict[str, Any] | None = None
    dead: DeadLetter | None = None
    maybe: int = 0
    """How many attempts may have been billed beside it."""


def find(log: Reader, digits: str) -> Entry:
    """The entry whose key begins with these hexadecimal digits.

    Raises:
        UserError: they are no beginning of a key, of none in the log, or of several.
    """
    low, high = _bounds(digits)
    query = "SELECT key FROM {} WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?"
    tables = (query.format(table) for table in ("reply", "dead", "claim"))
    keys = sorted({key for table in tables for (key,) in log.query(table, low, high, SHOWN + 1)})
    if not keys:
        raise UserError(f"no response has the id {digits}{_nearest(log, digits, low)}")
    if len(keys) > 1:
        some = ", ".join(key.hex() for key in keys[:SHOWN]) + (", ..." if len(keys) > SHOWN else "")
        raise UserError(f"more than one response has an id that begins with {digits}: {some}")
    return _reply(log, keys[0]) or _dead(log, keys[0]) or _claim(log, keys[0])


def _bounds(digits: str) -> tuple[bytes, bytes]:
    digits = digits.lower()
    if not digits or len(digits) > DIGITS or set(digits) - set("0123456789abcdef"):
        raise UserError(f"'{digits}' is no id of a response: up to {DIGITS} hexadecimal digits are needed")
    return bytes.fromhex(digits.ljust(DIGITS, "0")), bytes.fromhex(digits.ljust(DIGITS, "f"))


def _nearest(log: Reader, digits: str, low: bytes) -> str:
    """The key with the most digits in common: one of the neighbours in the order of the index."""
    after = log.query("SELECT key FROM reply WHERE key > ? ORDER BY key LIMIT 1", low)
    before = log.query("SELECT key FROM reply WHERE key < ? ORDER BY key DESC LIMIT 1", low)
    near = [key.hex() for (key,) in before + after]
    if not near:
        return "; the log is empty"
    best = max(near, key=lambda key: sum(key.startswith(digits[:n].lower()) for n in range(1, DIGITS + 1)))
    return f"; the nearest is {best}"


def _reply(log: Reader, key: bytes) -> Entry | None:
    columns = "model, account, at, attempts, usd, request, reply"
    rows = log.query(f"SELECT {columns} FROM reply JOIN body USING (id) WHERE key = ?", key)
    for model, account, at, attempts, usd, request, reply in rows:
        texts = json.loads(request), json.loads(reply)
        return Entry(key, model, account, at, attempts, usd / PICO, *texts, maybe=_maybe(log, key))
    return None


def _dead(log: Reader, key: bytes) -> Entry | None:
    rows = log.query("SELECT model, request, kind, text, attempts, at FROM dead WHERE key = ?", key)
    for model, request, kind, text, attempts, at in rows:
        letter = DeadLetter(kind, text, attempts, at)
        return Entry(key, model, "", at, attempts, None, json.loads(request), None, letter, _maybe(log, key))
    return None


def _claim(log: Reader, key: bytes) -> Entry:
    ((model, account, at, attempts),) = log.query("SELECT model, account, at, attempts FROM claim WHERE key = ?", key)
    return Entry(key, model, account, at, attempts, maybe=_maybe(log, key))


def _maybe(log: Reader, key: bytes) -> int:
    return int(log.query("SELECT count(*) FROM maybe WHERE key = ?", key)[0][0])
