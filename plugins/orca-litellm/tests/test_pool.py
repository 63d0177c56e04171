"""The pool of endpoints, on a clock that jumps: hours of pacing in seconds, against the fake server's own rate limits."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_litellm.pool import AllClosed, Lease, Pool

from orca_core.testing import RateLimit


@dataclass
class Place:
    name: str = "a"
    weight: float = 1.0
    workers: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: the time of the next timer is now."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "everything waits, and no timer is set"
        self.now += max(0.0, timeout)
        return super().select(0)


def simulate(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run on a loop whose clock jumps from timer to timer."""
    selector = JumpingSelector()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


def clock() -> float:
    return asyncio.get_running_loop().time()


def make_pool(*places: Place, workers: int = 100, share: float = 1.0) -> Pool[Place]:
    return Pool(places or [Place()], workers=workers, share=share, clock=clock)


async def settled() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass
class Account:
    """A provider's account: what it lets in, what it refuses, and what it would have let in."""

    limits: RateLimit
    latency: tuple[float, float] = (1.0, 5.0)
    used: tuple[float, float] = (500.0, 150.0)
    """Mean and deviation of a request's tokens."""
    charged: int = 600
    """Tokens that are taken on arrival."""
    stray: float = 0.0
    settles: bool = True

    def __post_init__(self) -> None:
        self.random = random.Random(7)
        self.sent, self.answered, self.tokens = 0, 0, 0.0
        self.refused: list[float] = []

    async def ask(self, lease: Lease[Place]) -> float:
        """One request; seconds to wait if it is refused."""
        self.sent += 1
        await asyncio.sleep(self.random.uniform(0, 0.05))
        stray = self.random.random() < self.stray
        if wait := 1.0 if stray else self.limits.admit(self.charged):
            self.refused.append(clock())
            lease.limited(wait, self.limits.headers)
            return wait
        headers = self.limits.headers
        await asyncio.sleep(self.random.uniform(*self.latency))
        used = max(20, round(self.random.gauss(*self.used)))
        self.limits.settle(self.charged, used)
        self.answered, self.tokens = self.answered + 1, self.tokens + (used if self.settles else self.charged)
        lease.settle(used, headers)
        return 0.0


async def load(
    pool: Pool[Place], accounts: dict[str, Account], *, seconds: float, tasks: int, tokens: int = 600
) -> None:
    """So many tasks that ask for so long, each waiting out its own refusals."""

    async def asks() -> None:
        while clock() < seconds:
            lease = await pool.acquire(tokens)
            if clock() >= seconds:
                lease.release()
                break
            account = accounts[lease.endpoint.name]
            wait = await account.ask(lease)
            await asyncio.sleep(wait * account.random.uniform(1, 1.25))

    await asyncio.gather(*(asks() for _ in range(tasks)))


def run_account(place: Place | None = None, *, minutes: float = 10, workers: int = 100, **account: Any) -> Account:
    """One endpoint for so many minutes."""

    async def main() -> Account:
        limits = RateLimit(clock=clock, **account.pop("limits", {}))
        served = Account(limits, **account)
        pool = make_pool(place or Place(), workers=workers)
        await load(pool, {"a": served}, seconds=60 * minutes, tasks=3 * workers)
        assert pool.in_flight == 0
        return served

    result: Account = simulate(main)
    return result


LIMIT = {"requests": 600.0, "tokens": 200_000.0, "settles": True}
KNOWN_S = 15.0
"""By then replies have told the limits."""


@pytest.mark.parametrize("burst", [2.0, 5.0, 60.0])
@pytest.mark.parametrize("used", [(500.0, 150.0), (200.0, 80.0)], ids=["tokens bind", "requests bind"])
def test_the_binding_allowance_is_used_and_hardly_anything_is_refused(burst, used):
    served = run_account(limits=LIMIT | {"burst": burst}, used=used)
    assert max(served.answered / 6_000, served.tokens / 2_000_000) >= 0.97
    assert sum(at > KNOWN_S for at in served.refused) <= 0.01 * served.sent


@pytest.mark.parametrize("latency", [(1.0, 5.0), (10.0, 30.0)])
def test_a_provider_that_charges_three_times_what_is_used_is_not_run_into(latency):
    served = run_account(
        limits={"tokens": 200_000.0}, charged=1500, settles=False, latency=latency, workers=200
    )  # fmt: skip
    assert served.tokens / 2_000_000 >= 0.97
    assert sum(at > 3 * latency[1] for at in served.refused) <= 0.01 * served.sent


def test_limits_of_the_user_hold_where_no_header_tells_any():
    place = Place(requests_per_minute=600, tokens_per_minute=200_000)
    served = run_account(place, limits=LIMIT | {"burst": 2.0}, used=(300.0, 100.0))
    assert served.refused == []
    assert served.tokens / 2_000_000 >= 0.88  # requests bind
    assert served.answered / 6_000 >= 0.97


def test_two_processes_that_share_an_account_use_it_all():
    async def main() -> Account:
        served = Account(RateLimit(clock=clock, **LIMIT))
        pools = [make_pool(share=0.5) for _ in range(2)]
        await asyncio.gather(*(load(pool, {"a": served}, seconds=300, tasks=100) for pool in pools))
        return served

    served = simulate(main)
    assert served.tokens / 1_000_000 >= 0.97
    assert len(served.refused) <= 0.01 * served.sent


def test_stray_429s_cost_hardly_any_throughput():
    quick: dict[str, Any] = {"minutes": 0.5, "latency": (0.2, 0.2)}
    plain, stray = run_account(**quick), run_account(**quick, stray=0.05)
    assert len(stray.refused) > 0.03 * stray.sent
    assert stray.answered >= 0.9 * plain.answered


def test_a_limit_that_nobody_tells_is_found_by_its_429s():
    async def main() -> tuple[int, int, int]:
        limits, refused, sent = RateLimit(requests=3000, burst=1, clock=clock), Counter[bool](), 0
        pool = make_pool()

        async def asks() -> None:
            nonlocal sent
            while clock() < 120:
                lease = await pool.acquire(1)
                sent += 1
                wait = limits.admit(1)
                refused[clock() > 30] += wait > 0
                await asyncio.sleep(0.2 if not wait else 0.01)
                lease.limited(wait) if wait else lease.settle(1)
                await asyncio.sleep(wait)

        await asyncio.gather(*(asks() for _ in range(100)))
        return sent, refused[False], refused[True]

    sent, at_first, later = simulate(main)
    assert sent - at_first - later >= 0.95 * 6000
    assert later / 90 < at_first / 30 / 4, "fewer at once, fewer refused"


@given(
    st.lists(st.tuples(st.integers(1, 3000), st.floats(0, 3), st.booleans()), min_size=20, max_size=150),
    st.sampled_from([30.0, 600.0]),
)
@settings(max_examples=40, deadline=None)
def test_no_minute_sees_more_requests_or_tokens_leave_than_the_limits_and_a_small_burst(requests, rpm):
    tpm = 60_000.0
    left: list[tuple[float, int]] = []

    async def main() -> None:
        pool = make_pool(Place(requests_per_minute=rpm, tokens_per_minute=tpm), workers=20)

        async def ask(tokens: int, delay: float, exact: bool) -> None:
            lease = await pool.acquire(tokens)
            left.append((clock(), tokens))
            await asyncio.sleep(delay)
            lease.settle(tokens if exact else None)

        await asyncio.gather(*(ask(*request) for request in requests))

    simulate(main)
    largest = max(tokens for _, tokens in left)
    for start, _ in left:
        window = [tokens for at, tokens in left if start <= at < start + 60]
        assert len(window) <= rpm * (0.99 + 1 / 60) + 1 + 1e-6
        assert sum(window) <= tpm * (0.99 + 1 / 60) + largest + 1e-6


def test_two_unequal_endpoints_give_the_sum_of_both():
    async def main() -> dict[str, Account]:
        accounts = {n: Account(RateLimit(requests=r, clock=clock)) for n, r in (("a", 600), ("b", 60))}
        await load(make_pool(Place("a"), Place("b")), accounts, seconds=600, tasks=200)
        return accounts

    accounts = simulate(main)
    assert sum(account.answered for account in accounts.values()) >= 0.97 * 6600
    assert accounts["b"].answered >= 0.97 * 600
    assert sum(len(account.refused) for account in accounts.values()) <= 0.01 * 6600


def leases(pool: Pool[Place], n: int) -> Awaitable[list[Lease[Place]]]:
    return asyncio.gather(*(pool.acquire(1) for _ in range(n)))


def test_weights_decide_between_endpoints_that_could_all_take_it():
    async def main() -> None:
        taken = await leases(make_pool(Place("a", weight=3), Place("b")), 40)
        names = [lease.endpoint.name for lease in taken]
        assert Counter(names) == {"a": 30, "b": 10}
        assert all("b" in names[i : i + 4] for i in range(36)), "evenly mixed"

    simulate(main)


def test_an_endpoint_s_own_number_of_slots_holds():
    async def main() -> None:
        pool = make_pool(Place("a", workers=2), Place("b"), workers=3)
        assert pool.slots == 5
        taken = await leases(pool, 5)
        assert Counter(lease.endpoint.name for lease in taken) == {"a": 2, "b": 3}
        waiting = asyncio.create_task(pool.acquire(1))
        await settled()
        assert not waiting.done()
        taken[0].release()
        assert (await waiting).endpoint is taken[0].endpoint

    simulate(main)


def test_a_share_of_the_limits_is_a_share_of_slots_and_pace_but_at_least_one():
    async def main() -> None:
        assert make_pool(workers=16, share=0.25).slots == 4
        assert make_pool(workers=2, share=0.1).slots == 1
        pool = make_pool(Place(requests_per_minute=60), share=0.5)
        for _ in range(11):
            (await pool.acquire(1)).settle(1)
        assert clock() == pytest.approx(10 * 2 / 0.99)

    simulate(main)


def test_first_come_first_served_however_many_tokens():
    order: list[int] = []

    async def main() -> None:
        pool = make_pool(Place(tokens_per_minute=6000))

        async def ask(number: int) -> None:
            lease = await pool.acquire(500 if number % 2 else 1)
            order.append(number)
            lease.settle(None)

        await asyncio.gather(*(ask(number) for number in range(30)))

    simulate(main)
    assert order == list(range(30))


def test_a_thousand_waiters_cost_no_more_each_than_a_hundred():
    def work(n: int) -> float:
        reads = 0

        async def main() -> None:
            def counting() -> float:
                nonlocal reads
                reads += 1
                return clock()

            pool = Pool([Place(requests_per_minute=600)], workers=n, clock=counting)

            async def ask() -> None:
                lease = await pool.acquire(1)
                await asyncio.sleep(1)
                lease.settle(1)

            await asyncio.gather(*(ask() for _ in range(n)))

        simulate(main)
        return reads / n

    assert work(1000) <= work(100) + 1


@pytest.mark.parametrize("resumed", [False, True], ids=["still waiting", "given its turn in the same instant"])
def test_a_cancelled_waiter_loses_no_capacity(resumed):
    async def main() -> None:
        pool = make_pool(workers=1)
        first = await pool.acquire(1)
        waiters = [asyncio.create_task(pool.acquire(1)) for _ in range(3)]
        await settled()
        if resumed:
            first.settle(1)
        waiters[0].cancel()
        if not resumed:
            first.settle(1)
        await settled()
        assert waiters[0].cancelled()
        assert waiters[1].done()
        waiters[1].result().settle(1)
        (await waiters[2]).settle(1)
        assert pool.in_flight == 0

    simulate(main)


def test_a_cancelled_head_does_not_keep_others_waiting_for_its_turn():
    async def main() -> None:
        pool = make_pool(Place(tokens_per_minute=6000))
        (await pool.acquire(99)).settle(1000)
        large, small = asyncio.create_task(pool.acquire(99)), asyncio.create_task(pool.acquire(1))
        await settled()
        large.cancel()
        (await small).settle(1)
        assert clock() == pytest.approx((1000 - 99 + 1) / 99)

    simulate(main)


def test_a_lease_ends_once():
    async def main() -> None:
        lease = await make_pool().acquire(1)
        lease.settle(5)
        with pytest.raises(RuntimeError, match="ends once"):
            lease.release()

    simulate(main)


def test_what_was_not_sent_counts_for_nothing():
    async def main() -> None:
        pool = make_pool(Place(requests_per_minute=6, tokens_per_minute=60))
        for _ in range(100):
            (await pool.acquire(60)).release()
        assert clock() == 0

    simulate(main)


async def fail(pool: Pool[Place], name: str, n: int) -> None:
    """So many failures in a row at an endpoint."""
    while n:
        lease = await pool.acquire(1)
        if lease.endpoint.name == name:
            n -= 1
            lease.failed()
        else:
            lease.settle(1)


def test_an_endpoint_that_fails_is_left_alone_and_tried_again_by_one_request_at_a_time():
    async def main() -> None:
        pool = make_pool(Place("a"), Place("b"))
        await fail(pool, "a", 5)
        assert {lease.endpoint.name for lease in await leases(pool, 20)} == {"b"}
        await asyncio.sleep(1.001)
        names = Counter(lease.endpoint.name for lease in await leases(pool, 20))
        assert names == {"a": 1, "b": 19}

    simulate(main)


def test_the_pause_before_a_trial_grows_until_one_succeeds(monkeypatch):
    monkeypatch.setattr("orca_litellm.gate.FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr("orca_litellm.gate.LONGEST_PAUSE_S", 60.0)

    async def main() -> list[float]:
        pool, tried = make_pool(), []
        old = await pool.acquire(1)
        await fail(pool, "a", 5)
        for _ in range(8):
            lease = await pool.acquire(1)
            tried.append(clock())
            lease.failed()
        old.failed()
        (await pool.acquire(1)).settle(1)
        at = clock()
        await leases(pool, 50)
        assert clock() == at, "well again: all may go"
        return tried

    tried = simulate(main)
    assert tried == pytest.approx([1, 3, 7, 15, 31, 63, 123, 183], abs=0.01)


def test_few_failures_among_replies_open_no_breaker():
    async def main() -> None:
        pool = make_pool()
        for number in range(1000):
            lease = await pool.acquire(1)
            lease.failed() if number % 5 else lease.settle(1)
        assert clock() == 0

    simulate(main)


def test_when_all_are_closed_for_good_everyone_is_told_why():
    async def main() -> None:
        pool = make_pool(Place("a"), Place("b"), workers=1)
        taken: Sequence[Lease[Place]] = await leases(pool, 2)
        waiting = [asyncio.create_task(pool.acquire(1)) for _ in range(3)]
        await settled()
        taken[0].broken("the key was refused")
        await settled()
        assert not any(task.done() for task in waiting), "the other one may still do"
        taken[1].broken("no credit")
        for task in (*waiting, asyncio.create_task(pool.acquire(1))):
            with pytest.raises(AllClosed) as told:
                await task
            assert told.value.reasons == {"a": "the key was refused", "b": "no credit"}

    simulate(main)


def test_a_closed_endpoint_leaves_the_work_to_the_others():
    async def main() -> None:
        pool = make_pool(Place("a"), Place("b"))
        for lease in await leases(pool, 2):
            lease.broken("gone") if lease.endpoint.name == "a" else lease.settle(1)
        assert {lease.endpoint.name for lease in await leases(pool, 50)} == {"b"}

    simulate(main)


def test_a_rate_of_429s_holds_everyone_until_the_retry_after_and_a_stray_one_nobody():
    async def main() -> None:
        pool = make_pool()
        (await pool.acquire(1)).limited(30)
        (await pool.acquire(1)).settle(1)
        assert clock() == 0
        for lease in await leases(pool, 20):
            lease.limited(7)
        (await pool.acquire(1)).settle(1)
        assert clock() == pytest.approx(7)
        held = [asyncio.create_task(pool.acquire(1)) for _ in range(100)]
        await settled()
        assert 75 <= sum(task.done() for task in held) <= 80, "and then fewer go at once"
        for task in held:
            task.cancel()

    simulate(main)
