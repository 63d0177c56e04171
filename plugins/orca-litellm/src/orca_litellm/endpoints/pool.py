"""Which endpoint the next request goes to, and when: concurrency, paces, weights, failover.

One queue, first come first served; one timer, for its head. A finished request that frees what the head waits for wakes it at once.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic

from orca_litellm.endpoints.gate import E, Gate
from orca_litellm.endpoints.limits import NOW_S

NO_HEADERS: Final[Mapping[str, str]] = {}


class AllClosed(Exception):  # noqa: N818
    """No endpoint takes requests any more; ``reasons`` by endpoint."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in self.reasons.items()))


class Lease(Generic[E]):
    """The right to send one request to ``endpoint`` now. Exactly one of its methods ends it."""

    __slots__ = ("_began", "_gate", "_marks", "_pool", "_probe", "_tokens", "endpoint")

    def __init__(self, pool: Pool[E], gate: Gate[E], tokens: float, now: float) -> None:
        self.endpoint = gate.endpoint
        self._pool, self._tokens, self._began = pool, tokens, now
        self._gate: Gate[E] | None = gate
        self._probe = gate.enter(tokens)
        self._marks = (gate.requests.taken, gate.tokens.taken)

    def settle(self, tokens: int | None, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """A wanted reply came: correct what was reserved by what it used, learn limits from its headers.

        Args:
            tokens: prompt and answer together; None: not told, the estimate stands.
            headers: names in lower case, or a mapping that ignores case.
        """
        gate, now = self._end(), self._pool.clock()
        if tokens is not None:
            gate.tokens.take(tokens - self._tokens)
        gate.answered(now)
        gate.hear(headers, now, since=self._began, marks=self._marks, tokens=self._tokens)
        self._pool.wake()

    def limited(self, retry_after: float | None, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """A 429 came, with its Retry-After in seconds. The request itself waits elsewhere, without a lease."""
        gate, now = self._end(), self._pool.clock()
        gate.hear(headers, now, since=self._began, marks=self._marks, tokens=self._tokens)
        if not gate.short(now):  # else the next one would be refused as well
            gate.give_back(self._tokens)
        gate.refused(retry_after, now)
        self._pool.wake()

    def failed(self) -> None:
        """The attempt failed otherwise: a 5xx, a broken or silent connection. It may have counted."""
        self._end().failed(self._pool.clock(), probe=self._probe)
        self._pool.wake()

    def broken(self, reason: str) -> None:
        """The endpoint will take nothing any more: a refused key, no credit."""
        gate = self._end()
        gate.closed = gate.closed or reason
        self._pool.wake()

    def release(self) -> None:
        """Nothing was sent."""
        self._end().give_back(self._tokens)
        self._pool.wake()

    def _end(self) -> Gate[E]:
        gate, self._gate = self._gate, None
        if gate is None:
            raise RuntimeError("a lease ends once")
        gate.leave(probe=self._probe)
        return gate


class Pool(Generic[E]):
    """The endpoints of one teacher. Belongs to one event loop.

    Args:
        endpoints: at least one.
        workers: requests in flight at once at an endpoint that sets no number of its own.
        share: the part of all limits and slots that is ours, where several processes share them.
        clock: monotonic seconds; the running loop's timers must keep to it.
    """

    def __init__(
        self,
        endpoints: Sequence[E],
        *,
        workers: int,
        share: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self._gates = [Gate(endpoint, workers=workers, share=share, now=clock()) for endpoint in endpoints]
        self._waiting: deque[tuple[float, asyncio.Future[Lease[E]]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._wakes_at = math.inf

    @property
    def slots(self) -> int:
        """Requests that can be in flight at once, over all endpoints."""
        return sum(gate.most for gate in self._gates)

    @property
    def in_flight(self) -> int:
        """Leases that are out."""
        return sum(gate.busy for gate in self._gates)

    async def acquire(self, tokens: int) -> Lease[E]:
        """Wait until a request of about so many tokens, prompt and answer, may be sent somewhere.

        Raises:
            AllClosed: every endpoint is closed for good, now or while waiting.
        """
        if not self._waiting:
            lease, _ = self._try(tokens, self.clock())
            if lease is not None:
                return lease
        future: asyncio.Future[Lease[E]] = asyncio.get_running_loop().create_future()
        self._waiting.append((tokens, future))
        self.wake()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().release()
            self.wake()
            raise

    def _try(self, tokens: float, now: float) -> tuple[Lease[E] | None, float]:
        """A lease on the best endpoint; or None, and the seconds until one may be free of itself."""
        best: Gate[E] | None = None
        total, soonest = 0.0, math.inf
        for gate in self._gates:
            wait = gate.wait(tokens, now)
            if wait > 0:
                soonest = min(soonest, wait)
                continue
            gate.credit += gate.endpoint.weight
            total += gate.endpoint.weight
            if best is None or gate.credit > best.credit:
                best = gate
        if best is None:
            return None, soonest
        best.credit -= total
        return Lease(self, best, tokens, now), 0.0

    def wake(self) -> None:
        """Give leases to those who wait, in turn, as far as they go, and set the timer for the next."""
        waiting = self._waiting
        while waiting:
            tokens, future = waiting[0]
            if not future.done():
                now = self.clock()
                lease, wait = self._try(tokens, now)
                if lease is None:
                    self._wake_at(now + wait)
                    return
                future.set_result(lease)
            waiting.popleft()

    def _wake_at(self, when: float) -> None:
        if when == math.inf:
            self._fail_if_closed()
            return
        if self._timer is not None:
            if self._wakes_at <= when + NOW_S:
                return
            self._timer.cancel()
        self._wakes_at = when
        self._timer = asyncio.get_running_loop().call_later(when - self.clock(), self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._wakes_at = None, math.inf
        self.wake()

    def _fail_if_closed(self) -> None:
        if not all(gate.closed for gate in self._gates):
            return
        reasons = {str(gate.endpoint.name): gate.closed or "" for gate in self._gates}
        while self._waiting:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(AllClosed(reasons))
