"""Reading another log in parts, each of which is one operation on ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from orca_core.responses.books import Books
from orca_core.responses.reader import Reader
from orca_core.responses.rows import Body, Dead, MaybeRow, Reply
from orca_core.responses.writer import Operation

PART: Final = 500
"""Replies in one operation."""


def parts_of(other: Path) -> Iterator[Operation[int]]:
    """The operations that take another log over; each says how many replies were new."""
    source = Reader(other)
    try:
        for rows in source.pages("SELECT * FROM reply JOIN body USING (id)", PART):
            yield _replies([(Reply(*row[1:11]), Body(*row[11:])) for row in rows])
        for rows in source.pages("SELECT * FROM maybe", PART):
            yield _rest([MaybeRow(*row) for row in rows], [])
        for rows in source.pages("SELECT rowid AS id, * FROM dead", PART):
            yield _rest([], [Dead(*row[1:]) for row in rows])
    finally:
        source.close()


def _replies(rows: list[tuple[Reply, Body]]) -> Operation[int]:
    return Operation([reply.key for reply, _ in rows], lambda books: books.adopt(rows))


def _rest(maybe: list[MaybeRow], dead: list[Dead]) -> Operation[int]:
    def apply(books: Books) -> int:
        books.adopt_rest(maybe, dead)
        return 0

    return Operation([letter.key for letter in dead], apply)
