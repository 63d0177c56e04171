"""What the operations mean: claims, replies and accounts as one transaction changes them.

Every key goes through the same life: nobody's, claimed (out, or between two attempts), then answered, given up or free again.
What leaves without a reply of its own stays on the books as maybe billed. An account is at all times the sum of its replies,
of what was maybe billed and of what is out.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Collection, Iterable, Mapping

from orca_core.responses.rows import Account, Arrived, Body, Claim, Dead, MaybeRow, Reply, Rows
from orca_core.responses.terms import IMPORTED, Begun, Cap, pico


class Books:
    """The state behind some keys, read at the start of a transaction and written at its end."""

    def __init__(self, rows: Rows, keys: Collection[bytes], owner: str, alive: Callable[[str], bool]) -> None:
        self._rows, self._owner, self._alive = rows, owner, alive
        self._answered = rows.answered(keys)
        self._before = rows.claims(keys)
        self._claims = dict(self._before)
        self._accounts: dict[str, Account] = {}
        self._replies: list[Reply] = []
        self._bodies: list[Body] = []
        self._maybe: dict[int, MaybeRow] = {}
        self._dead: dict[bytes, Dead] = {}

    def begin(self, wish: Claim, cap: Cap) -> Begun:
        """Reserve the worst case and record the request as out, unless it need not, must not or may not be sent."""
        if wish.key in self._answered:
            return Begun.ANSWERED
        claim = self._claims.get(wish.key)
        if claim is not None:
            if claim.out and claim.batch is not None and claim.batch == wish.batch:
                return Begun.SENT
            if not self._free(claim):
                return Begun.TAKEN
            wish = wish._replace(attempts=claim.attempts + 1)
        books = self._account(wish.account)
        if not _fits(books, wish, cap):
            return Begun.OVER_BUDGET
        self._claims[wish.key] = wish
        _add(books, wish.usd, 1, wish.tokens)
        return Begun.SENT

    def finish(self, reply: Arrived) -> bool:
        """Take in a reply; False if another one is there, which stays. A claim of ours (or of a batch) is settled."""
        claim = self._claims.get(reply.key)
        if claim is None or not self._ours(claim):
            if reply.key in self._answered:
                return False
            self._take(reply.booked(IMPORTED, 1, 0, 0), reply.body)
            return True
        row = reply.booked(claim.account, claim.attempts, claim.usd, claim.tokens)
        self._unreserve(claim)
        del self._claims[reply.key]
        if reply.key in self._answered:
            self._bill(row.key, row.model, row.account, row.at, row.usd, row.tokens)
            return False
        self._take(row, reply.body)
        return True

    def failed(self, key: bytes, maybe_billed: bool) -> None:
        """An attempt is over; the claim stays for another."""
        claim = self._claims.get(key)
        if claim is None or not claim.out or not self._ours(claim):
            raise ValueError(f"no attempt at {key.hex()} is out")
        self._claims[key] = self._end(claim, maybe_billed)

    def dead(self, letter: Dead) -> None:
        """Give a request up."""
        self._drop(letter.key)
        if letter.key not in self._answered:
            self._dead[letter.key] = letter

    def release(self, key: bytes) -> None:
        """Let a request of ours go of which nothing was billed. A batch's stays: a task that only met it must not free it."""
        claim = self._claims.get(key)
        if claim is not None and claim.owner == self._owner:
            self._drop(key)

    def abandon(self, owners: Collection[str]) -> list[Claim]:
        """Free what those who are gone had claimed; returns what they had out, now maybe billed."""
        self._load(self._rows.claims_of(owners))
        gone = [claim for claim in self._claims.values() if claim.owner in owners]
        for claim in gone:
            self._orphan(claim)
        return [claim for claim in gone if claim.out]

    def adopt(self, replies: Iterable[tuple[Reply, Body]]) -> int:
        """Take in another log's replies as they are; a second reply to one request is kept as billed. The number of new ones."""
        new = 0
        for reply, body in replies:
            if reply.key not in self._answered:
                self._take(reply, body)
                new += 1
            elif self._rows.arrived_at(reply.key) != reply.at:
                self._bill(reply.key, reply.model, reply.account, reply.at, reply.usd, reply.tokens)
        return new

    def adopt_rest(self, maybe: Iterable[MaybeRow], dead: Iterable[Dead]) -> None:
        """Take in another log's maybe billed and dead letters, each once."""
        for row in maybe:
            self._bill(row.key, row.model, row.account, row.at, row.usd, row.tokens)
        for letter in dead:
            if letter.key not in self._answered and not self._rows.has_dead(letter.key):
                self._dead[letter.key] = letter

    def release_batch(self, name: str, maybe_billed: bool) -> None:
        """Let everything go that is claimed under the name of a provider batch."""
        self._load(self._rows.claims_under(name))
        for claim in [claim for claim in self._claims.values() if claim.batch == name]:
            if claim.out:
                self._end(claim, maybe_billed)
            del self._claims[claim.key]

    def save_batch(self, name: str, model: str, data: str, at: float) -> None:
        """Remember a provider batch; one that is known keeps its place."""
        self._rows.save_batch(name, model, data, at)

    def save(self) -> None:
        """Write what changed."""
        rows = self._rows
        if self._replies:
            rows.add_replies(self._replies, self._bodies)
        rows.remove("claim", [key for key in self._before if key not in self._claims])
        rows.add_claims([claim for key, claim in self._claims.items() if self._before.get(key) is not claim])
        rows.add_maybe(list(self._maybe.values()))
        rows.add_dead([letter for key, letter in self._dead.items() if key not in self._answered])
        rows.set_accounts(self._accounts)

    def _load(self, claims: Mapping[bytes, Claim]) -> None:
        for key, claim in claims.items():
            if key not in self._before:
                self._before[key] = self._claims[key] = claim

    def _account(self, name: str) -> Account:
        if name not in self._accounts:
            self._accounts[name] = self._rows.account(name)
        return self._accounts[name]

    def _ours(self, claim: Claim) -> bool:
        return claim.owner is None or claim.owner == self._owner

    def _free(self, claim: Claim) -> bool:
        """Whether a claim may pass to us; one of a dead owner ends here."""
        if self._ours(claim):
            return not claim.out
        if self._alive(str(claim.owner)):
            return False
        self._orphan(claim)
        return True

    def _orphan(self, claim: Claim) -> None:
        if claim.out:
            self._end(claim, True)
        del self._claims[claim.key]

    def _drop(self, key: bytes) -> None:
        claim = self._claims.get(key)
        if claim is not None and self._ours(claim):
            self._unreserve(claim)
            del self._claims[key]

    def _end(self, claim: Claim, maybe_billed: bool) -> Claim:
        """The end of an attempt without a reply: what was reserved becomes maybe billed, or free."""
        self._unreserve(claim)
        if maybe_billed:
            self._bill(claim.key, claim.model, claim.account, claim.at, claim.usd, claim.tokens)
        return claim._replace(out=False, usd=0, tokens=0)

    def _unreserve(self, claim: Claim) -> None:
        if claim.out:
            _add(self._account(claim.account), -claim.usd, -1, -claim.tokens)

    def _bill(self, key: bytes, model: str, account: str, at: float, usd: int, tokens: int) -> None:
        """Book a request that has no reply of its own, once however often it is told."""
        stamp = hashlib.blake2b(key + struct.pack(">d", at), digest_size=8).digest()
        number = int.from_bytes(stamp, "big") >> 1
        if number in self._maybe or self._rows.has_maybe(number):
            return
        self._maybe[number] = MaybeRow(number, key, model, account, at, usd, tokens)
        books = self._account(account)
        _add(books, usd, 1, tokens)
        books.maybe_usd += usd
        books.maybe_requests += 1

    def _take(self, reply: Reply, body: Body) -> None:
        self._answered.add(reply.key)
        self._replies.append(reply)
        self._bodies.append(body)
        _add(self._account(reply.account), reply.usd, 1, reply.tokens)


def _add(books: Account, usd: int, requests: int, tokens: int) -> None:
    books.usd += usd
    books.requests += requests
    books.tokens += tokens


def _fits(books: Account, wish: Claim, cap: Cap) -> bool:
    return (
        (cap.usd is None or books.usd + wish.usd <= pico(cap.usd))
        and (cap.requests is None or books.requests + 1 <= cap.requests)
        and (cap.tokens is None or books.tokens + wish.tokens <= cap.tokens)
    )
