"""The response log: every answer that was ever paid for, found again by what decides it; every request that may have been paid."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from orca_core.responses.books import Books
from orca_core.responses.keys import encodable, stored_json
from orca_core.responses.merging import parts_of
from orca_core.responses.owners import Owner
from orca_core.responses.reader import Reader
from orca_core.responses.rows import Arrived, Body, Claim, Dead, Rows
from orca_core.responses.schema import explained
from orca_core.responses.terms import PICO, Begun, Cap, Maybe, Worst, pico
from orca_core.responses.writer import Operation, Writer

NO_CAP: Final = Cap()
MOST_TOKENS: Final = 2**40
"""Of one request; a server that tells more is not believed."""


class ResponseLog(Reader):
    """The log at ``path``, made if absent. Safe with several threads and processes; a context manager that closes it.

    Every change is on the disk when its method returns. Each has a second form for event loops, with the prefix ``a``.
    A task that is cancelled in one of those does not know whether it was carried out: :meth:`release` the key then.
    A process that forks opens the log anew in the child.

    Raises:
        DataError: the file is no response log, of another format, or cannot be read or written (a full disk).
    """

    def __init__(self, path: Path) -> None:
        with ExitStack() as closing, explained(path):
            super().__init__(path)
            closing.callback(super().close)
            self._owner = Owner(path.parent / "owners")
            closing.callback(self._owner.close)
            self._writer = Writer(path, self._books)
            closing.callback(self._writer.close)
            self._closing = closing.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the log. What is out still has no reply and becomes maybe billed."""
        if self._writer.closed:
            return
        with self._closing:
            if self._writer.usable:
                self._writer.do(Operation((), lambda books: books.abandon([self._owner.name])))

    def begin(
        self,
        key: bytes,
        request: Mapping[str, Any],
        *,
        account: str,
        worst: Worst,
        cap: Cap | None = None,
        batch: str | None = None,
    ) -> Begun:
        """Record that a request is about to leave, and reserve its worst case.

        After :meth:`failed` it begins a further attempt. A key that a dead process had out becomes maybe billed and is ours.

        Args:
            key: :func:`request_key` of the request.
            request: :func:`make_request`.
            account: on whose books it goes.
            worst: the most it can cost.
            cap: of the account, over all runs and processes; it is never passed.
            batch: the name of a provider batch that carries it; such a claim outlives the process, and beginning it again
                under the same name is the same claim.

        Raises:
            ValueError: a cap in dollars for a request without a price.
        """
        return self._writer.do(_begin(key, request, account, worst, cap, batch, self._owner.name))

    async def abegin(
        self,
        key: bytes,
        request: Mapping[str, Any],
        *,
        account: str,
        worst: Worst,
        cap: Cap | None = None,
        batch: str | None = None,
    ) -> Begun:
        """:meth:`begin`."""
        return await self._writer.ado(_begin(key, request, account, worst, cap, batch, self._owner.name))

    def finish(self, key: bytes, request: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
        """Store an arrived reply and settle what was reserved with its ``prompt_tokens``, ``completion_tokens``, ``cost_usd``.

        What the reply does not tell is booked as it was reserved.

        Returns:
            The reply that the log holds from now on: the first to arrive under this key, so that everyone uses the same.
            One that came second is kept on the books as maybe billed.
        """
        return self._stored(key, reply, self._writer.do(_finish(key, request, reply)))

    async def afinish(self, key: bytes, request: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
        """:meth:`finish`."""
        return self._stored(key, reply, await self._writer.ado(_finish(key, request, reply)))

    def put(self, key: bytes, request: Mapping[str, Any], reply: Mapping[str, Any]) -> dict[str, Any]:
        """:meth:`finish` of a reply that was never begun here: an import."""
        return self.finish(key, request, reply)

    def failed(self, key: bytes, *, maybe_billed: bool) -> None:
        """One attempt ended without a reply; the claim stays for another. Maybe billed: its worst case stays on the books.

        Raises:
            ValueError: no attempt is out.
        """
        self._writer.do(Operation((key,), lambda books: books.failed(key, maybe_billed)))

    async def afailed(self, key: bytes, *, maybe_billed: bool) -> None:
        """:meth:`failed`."""
        await self._writer.ado(Operation((key,), lambda books: books.failed(key, maybe_billed)))

    def dead(self, key: bytes, request: Mapping[str, Any], kind: str, text: str, attempts: int) -> None:
        """Give a request up and free it; the reason is kept until a reply arrives. What is still out was not billed."""
        self._writer.do(_dead(key, request, kind, text, attempts))

    async def adead(self, key: bytes, request: Mapping[str, Any], kind: str, text: str, attempts: int) -> None:
        """:meth:`dead`."""
        await self._writer.ado(_dead(key, request, kind, text, attempts))

    def release(self, key: bytes) -> None:
        """Free a request of ours that never left, or of which nothing was billed; anyone else's, or a batch's, stays."""
        self._writer.do(Operation((key,), lambda books: books.release(key)))

    async def arelease(self, key: bytes) -> None:
        """:meth:`release`."""
        await self._writer.ado(Operation((key,), lambda books: books.release(key)))

    def recover(self) -> Maybe:
        """Free what dead processes had claimed; what they had out becomes maybe billed. Says what this call found."""
        with explained(self.path):
            owners = [name for (name,) in self.query("SELECT DISTINCT owner FROM claim WHERE owner IS NOT NULL")]
            dead = [name for name in owners if not self._owner.alive(name)]
            found = self._writer.do(Operation((), lambda books: books.abandon(dead))) if dead else []
            self._owner.clean()
        return Maybe(len(found), sum(claim.usd for claim in found) / PICO)

    def save_batch(
        self, name: str, model: str, data: Mapping[str, Any], *, release: bool = False, maybe_billed: bool = False
    ) -> None:
        """Remember a provider batch (or its new state) under its name. At its end, ``release``: in the same transaction what
        it still claims is free. Nothing of that was billed, or nobody knows: ``maybe_billed``.
        """
        self._writer.do(_save_batch(name, model, data, release, maybe_billed))

    def merge(self, other: Path) -> int:
        """Take over another log's replies, maybe billed requests and dead letters with their place in the accounts.

        Doing it again changes nothing. What is still out there (a live process, a provider batch) stays there.

        Returns:
            The number of replies that were not here yet.
        """
        with ResponseLog(other) as source:
            source.recover()
        return sum(self._writer.do(part) for part in parts_of(other))

    def export(self, path: Path) -> int:
        """Write all replies to a Parquet file; returns how many. See :func:`orca_core.responses.export.export`."""
        from orca_core.responses.export import export

        return export(self, path)

    def _books(self, rows: Rows, keys: Collection[bytes]) -> Books:
        return Books(rows, keys, self._owner.name, self._owner.alive)

    def _stored(self, key: bytes, reply: Mapping[str, Any], first: bool) -> dict[str, Any]:
        return dict(reply) if first else self.get_many([key])[key]


def _begin(
    key: bytes, request: Mapping[str, Any], account: str, worst: Worst, cap: Cap | None, batch: str | None, owner: str
) -> Operation[Begun]:
    cap = cap or NO_CAP
    if not 0 <= worst.tokens <= MOST_TOKENS:
        raise ValueError(f"{worst.tokens} tokens of one request")
    if cap.usd is not None and worst.usd is None:
        raise ValueError(f"a cap of {cap.usd} dollars for {request['model']}, which has no price")
    usd = 0 if worst.usd is None else pico(worst.usd)
    owned = None if batch else owner
    wish = Claim(key, owned, batch, str(request["model"]), account, time.time(), 1, True, usd, worst.tokens)
    return Operation((key,), lambda books: books.begin(wish, cap))


def _finish(key: bytes, request: Mapping[str, Any], reply: Mapping[str, Any]) -> Operation[bool]:
    cost = _amount(reply.get("cost_usd"), 1e6)
    arrived = Arrived(
        key,
        str(request["model"]),
        time.time(),
        _count(reply.get("prompt_tokens")),
        _count(reply.get("completion_tokens")),
        _amount(reply.get("latency_s"), math.inf),
        None if cost is None else pico(cost),
        Body(stored_json(request), stored_json(reply)),
    )
    return Operation((key,), lambda books: books.finish(arrived))


def _dead(key: bytes, request: Mapping[str, Any], kind: str, text: str, attempts: int) -> Operation[None]:
    letter = Dead(key, str(request["model"]), stored_json(request), kind, encodable(text), attempts, time.time())
    return Operation((key,), lambda books: books.dead(letter))


def _save_batch(name: str, model: str, data: Mapping[str, Any], release: bool, maybe_billed: bool) -> Operation[None]:
    text = stored_json(data)

    def apply(books: Books) -> None:
        books.save_batch(name, model, text, time.time())
        if release:
            books.release_batch(name, maybe_billed)

    return Operation((), apply)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value <= MOST_TOKENS else None


def _amount(value: Any, most: float) -> float | None:
    return float(value) if isinstance(value, (int, float)) and 0 <= value <= most else None
