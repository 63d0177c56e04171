"""The pool of endpoints, on a clock that jumps: who gets which lease, and when. How well it paces is in test_pool_pacing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from orca_litellm.endpoints.pool import AllClosed, Lease, Pool

from orca_core.testing.clock import clock, simulate


@dataclass
class Place:
    name: str = "a"
    weight: float = 1.0
    workers: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


def make_pool(*places: Place, workers: int = 100, share: float = 1.0) -> Pool[Place]:
    return Pool(places or [Place()], workers=workers, share=share, clock=clock)


async def settled() -> None:
    """Let every task that can go on do so."""
    for _ in range(5):
        await asyncio.sleep(0)


@given(
    st.lists(
        st.tuples(st.integers(1, 3000), st.floats(0, 3, allow_subnormal=False), st.booleans()),
        min_size=20,
        max_size=150,
    ),
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
    monkeypatch.setattr("orca_litellm.endpoints.gate.FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr("orca_litellm.endpoints.gate.LONGEST_PAUSE_S", 60.0)

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
