"""What pacing achieves: hours against the fake server's rate limits, on a clock that jumps."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from orca_litellm.endpoints.pool import Lease, Pool

from orca_core.testing import RateLimit
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


class Windows:
    """An account whose tokens come back all at once at the end of each minute, as gateways count."""

    def __init__(self, tokens: float) -> None:
        self.limit, self.used, self.until = tokens, 0.0, 60.0

    def left(self) -> float:
        while clock() >= self.until:
            self.used, self.until = 0.0, self.until + 60
        return self.limit - self.used

    def admit(self, tokens: float) -> float:
        if self.left() < tokens:
            return self.until - clock() + 0.001
        self.used += tokens
        return 0.0

    def settle(self, admitted: float, used: float) -> None:
        self.used += used - admitted

    @property
    def headers(self) -> dict[str, str]:
        told = {"limit": f"{self.limit}", "remaining": f"{self.left()}", "reset": f"{self.until - clock()}s"}
        return {f"x-ratelimit-{what}-tokens": value for what, value in told.items()}


@dataclass
class Account:
    """A provider's account: what it lets in, what it refuses, and what it would have let in."""

    limits: RateLimit | Windows
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


def test_an_allowance_that_comes_back_once_a_minute_is_used_too():
    async def main() -> Account:
        served = Account(Windows(200_000))
        await load(make_pool(), {"a": served}, seconds=600, tasks=200)
        return served

    served = simulate(main)
    assert served.tokens / 2_000_000 >= 0.97
    assert len(served.refused) <= 0.01 * served.sent


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


def test_two_unequal_endpoints_give_the_sum_of_both():
    async def main() -> dict[str, Account]:
        accounts = {n: Account(RateLimit(requests=r, clock=clock)) for n, r in (("a", 600), ("b", 60))}
        await load(make_pool(Place("a"), Place("b")), accounts, seconds=600, tasks=200)
        return accounts

    accounts = simulate(main)
    assert sum(account.answered for account in accounts.values()) >= 0.97 * 6600
    assert accounts["b"].answered >= 0.97 * 600
    assert sum(len(account.refused) for account in accounts.values()) <= 0.01 * 6600
