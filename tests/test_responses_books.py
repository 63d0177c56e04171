"""The books of the response log against a model of them, through random lives of a few requests."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orca_core.responses import Begun, Cap, ResponseLog, Spent, Worst, make_request

KEYS = st.sampled_from([bytes([i]) * 16 for i in range(4)])
ACCOUNTS = st.sampled_from(["a", "b"])
WORSTS = st.sampled_from([Worst(0.1, 10), Worst(0.3, 25), Worst(None, 7)])
BATCHES = st.sampled_from(["b1", "b2"])
REQUEST = make_request("m", [], {})
CAP = Cap(requests=6, tokens=100)
SUMS = """
SELECT account, sum(usd), count(*), sum(tokens), sum(maybe * usd), sum(maybe) FROM (
    SELECT account, usd, tokens, 0 AS maybe FROM reply
    UNION ALL SELECT account, usd, tokens, 1 FROM maybe
    UNION ALL SELECT account, usd, tokens, 0 FROM claim WHERE out
) GROUP BY account
"""


@dataclass
class Out:
    """What the model knows of a claim; ``worst`` is None between two attempts."""

    batch: str | None
    account: str
    worst: Worst | None


@dataclass
class Model:
    """The log as it should be, in plain lists."""

    claims: dict[bytes, Out] = field(default_factory=dict)
    replies: dict[bytes, tuple[str, float, int]] = field(default_factory=dict)
    maybe: list[tuple[str, Worst]] = field(default_factory=list)

    def spent(self, account: str) -> Spent:
        out = [c.worst for c in self.claims.values() if c.worst is not None and c.account == account]
        maybe = [worst for name, worst in self.maybe if name == account]
        replies = [(usd, tokens) for name, usd, tokens in self.replies.values() if name == account]
        return Spent(
            round(sum(w.usd or 0 for w in out + maybe) + sum(usd for usd, _ in replies), 9),
            len(out) + len(maybe) + len(replies),
            sum(w.tokens for w in out + maybe) + sum(tokens for _, tokens in replies),
            round(sum(w.usd or 0 for w in maybe), 9),
            len(maybe),
        )

    def begin(self, key: bytes, account: str, worst: Worst, cap: Cap, batch: str | None) -> Begun:
        claim = self.claims.get(key)
        if key in self.replies:
            return Begun.ANSWERED
        if claim is not None and claim.worst is not None:
            return Begun.SENT if batch is not None and batch == claim.batch else Begun.TAKEN
        spent = self.spent(account)
        if cap.requests is not None and spent.requests + 1 > cap.requests:
            return Begun.OVER_BUDGET
        if cap.tokens is not None and spent.tokens + worst.tokens > cap.tokens:
            return Begun.OVER_BUDGET
        self.claims[key] = Out(batch, account, worst)
        return Begun.SENT

    def end(self, key: bytes, maybe_billed: bool) -> None:
        claim = self.claims[key]
        if maybe_billed and claim.worst is not None:
            self.maybe.append((claim.account, claim.worst))
        claim.worst = None

    def finish(self, key: bytes, usd: float | None, tokens: int | None) -> None:
        claim = self.claims.pop(key, None)
        worst = claim.worst if claim is not None and claim.worst is not None else Worst(0, 0)
        account = claim.account if claim is not None else "imported"
        usd, tokens = (worst.usd or 0) if usd is None else usd, worst.tokens if tokens is None else tokens
        if key not in self.replies:
            self.replies[key] = (account, usd, tokens)
        elif claim is not None:
            self.maybe.append((account, Worst(usd, tokens)))

    def orphan(self) -> list[Worst]:
        """Every process dies."""
        lost = []
        for key in [key for key, claim in self.claims.items() if claim.batch is None]:
            lost += [w] if (w := self.claims[key].worst) is not None else []
            self.end(key, True)
            del self.claims[key]
        return lost


class Books(RuleBasedStateMachine):
    """Every operation, deaths of the process and merges of another log between them."""

    @initialize()
    def start(self) -> None:
        self.root = Path(tempfile.mkdtemp())
        self.model = Model()
        self.lives = 0
        self.log = ResponseLog(self.path)

    @property
    def path(self) -> Path:
        return self.root / str(self.lives) / "r.sqlite"

    @rule(key=KEYS, account=ACCOUNTS, worst=WORSTS, cap=st.sampled_from([Cap(), CAP]), batch=st.none() | BATCHES)
    def begin(self, key: bytes, account: str, worst: Worst, cap: Cap, batch: str | None) -> None:
        expected = self.model.begin(key, account, worst, cap, batch)
        assert self.log.begin(key, REQUEST, account=account, worst=worst, cap=cap, batch=batch) is expected

    @rule(key=KEYS, usd=st.none() | st.sampled_from([0.01, 0.2]), tokens=st.none() | st.integers(0, 20))
    def finish(self, key: bytes, usd: float | None, tokens: int | None) -> None:
        self.model.finish(key, usd, tokens)
        reply = {"text": "x", "prompt_tokens": 0, "completion_tokens": tokens, "cost_usd": usd}
        self.log.finish(key, REQUEST, reply)

    @precondition(lambda self: any(claim.worst is not None for claim in self.model.claims.values()))
    @rule(data=st.data(), maybe_billed=st.booleans())
    def failed(self, data: st.DataObject, maybe_billed: bool) -> None:
        key = data.draw(st.sampled_from([k for k, c in self.model.claims.items() if c.worst is not None]))
        self.model.end(key, maybe_billed)
        self.log.failed(key, maybe_billed=maybe_billed)

    @rule(key=KEYS)
    def release(self, key: bytes) -> None:
        if (claim := self.model.claims.get(key)) is not None and claim.batch is None:
            del self.model.claims[key]
        self.log.release(key)

    @rule(key=KEYS)
    def dead(self, key: bytes) -> None:
        self.model.claims.pop(key, None)
        self.log.dead(key, REQUEST, "kind", "text", 1)

    @rule(batch=BATCHES)
    def end_batch(self, batch: str) -> None:
        self.model.claims = {k: c for k, c in self.model.claims.items() if c.batch != batch}
        self.log.save_batch(batch, "m", {}, release=True)

    @rule()
    def close_and_reopen(self) -> None:
        self.log.close()
        self.model.orphan()
        self.log = ResponseLog(self.path)
        assert self.log.recover().count == 0

    @rule()
    def die_and_recover(self) -> None:
        """The files as they lie at this moment, without the locks of the living, are what a killed process leaves."""
        before = self.path.parent
        self.lives += 1
        shutil.copytree(before, self.path.parent, ignore=shutil.ignore_patterns("owners", "*-shm"))
        self.log.close()
        shutil.rmtree(before)
        self.log = ResponseLog(self.path)
        lost = self.model.orphan()
        found = self.log.recover()
        assert (found.count, round(found.usd, 9)) == (len(lost), round(sum(w.usd or 0 for w in lost), 9))

    @rule(key=KEYS, account=ACCOUNTS, twice=st.booleans(), maybe_billed=st.booleans())
    def merge(self, key: bytes, account: str, twice: bool, maybe_billed: bool) -> None:
        """A log with a reply to one key and an attempt at another that was perhaps billed."""
        path = self.root / "other" / "r.sqlite"
        with ResponseLog(path) as other:
            other.begin(key, REQUEST, account=account, worst=Worst(0.3, 25))
            other.finish(key, REQUEST, {"text": "y", "prompt_tokens": 1, "completion_tokens": 2, "cost_usd": 0.02})
            if maybe_billed:
                other.begin(b"z" * 16, REQUEST, account=account, worst=Worst(0.3, 25))
        new = key not in self.model.replies
        for i in range(1 + twice):
            assert self.log.merge(path) == (new if i == 0 else 0)
        shutil.rmtree(path.parent)
        if new:
            self.model.replies[key] = (account, 0.02, 3)
        else:
            self.model.maybe.append((account, Worst(0.02, 3)))
        if maybe_billed:
            self.model.maybe.append((account, Worst(0.3, 25)))

    @invariant()
    def accounts_are_as_the_model_says(self) -> None:
        for account in ("a", "b", "imported"):
            assert self.log.spent(account) == self.model.spent(account)

    @invariant()
    def accounts_are_the_sums_of_their_rows(self) -> None:
        db = sqlite3.connect(self.path)
        sums = {name: rest for name, *rest in db.execute(SUMS)}
        accounts = {name: rest for name, *rest in db.execute("SELECT * FROM account") if any(rest)}
        db.close()
        assert accounts == sums

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.root)


Books.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None, derandomize=True)
test_accounts_are_at_all_times_the_sums_of_their_rows = Books.TestCase
