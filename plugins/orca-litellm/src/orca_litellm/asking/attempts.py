"""Attempts: a slot of the pool, the log's consent, and what came of it. Lives in the engine's event loop.

A request takes a slot, is recorded as out, leaves, gives the slot back, and counts when the log has its reply.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from orca_core import UserError
from orca_core.responses import Begun, Cap, ResponseLog
from orca_litellm import LiteLLMConfig
from orca_litellm.asking.errand import Errand
from orca_litellm.asking.pulse import Pulse
from orca_litellm.endpoints.places import Place, redact
from orca_litellm.endpoints.pool import AllClosed, Lease, Pool
from orca_litellm.explain import dead_reason, explain, out_of_budget
from orca_litellm.failures import OF_ALL, OF_THE_ENDPOINT, OF_THE_PROMPT, PASSING, PATIENCE_S, Failure, Kind, backoff
from orca_litellm.replies import Arrived

EXPECTED: Final = 400
"""Tokens expected of an answer until the first ones tell: the paper packs 2.7 examples of prompt and answer into 2,048."""
MEMORY: Final = 0.05
"""Weight of the newest answer in the running mean of their lengths."""

log = logging.getLogger("orca")
Stored = Mapping[str, Any]


class Dead(Exception):  # noqa: N818
    """A prompt is given up, for this reason."""


class Attempts:
    """Begins and ends attempts.

    Args:
        cap: of the account, this process's part of it; None: none.
    """

    def __init__(self, config: LiteLLMConfig, responses: ResponseLog, *, cap: Cap | None) -> None:
        self._config, self._log, self._cap = config, responses, cap
        self.pulse = Pulse(config.retries)
        self.out: set[Errand] = set()
        """What is recorded as out, or about to be, or has a reply that is not in the log yet."""
        self.closed = False
        """Whether nothing may leave any more."""
        self.pool: Pool[Place]
        """Set before the first errand comes."""
        self._ended, self._next_end = 0, asyncio.Event()
        self._tight = asyncio.Lock()
        self._told: set[str] = set()
        self._length = float(min(EXPECTED, config.max_tokens or EXPECTED))

    # --- before it leaves --------------------------------------------------------------------------------------------------

    async def begin(self, errand: Errand) -> tuple[Lease[Place], Begun]:
        """A slot, and what the log says to the wish to send; waits while the budget has no room but may have it again.

        Returns:
            A lease that is still good if the request may be sent (``SENT``), else one that has ended.

        Raises:
            OutOfBudgetError: nothing is out whose end could make room.
            UserError: no endpoint takes requests any more.
        """
        if self._tight.locked():
            async with self._tight:
                pass
        lease, begun = await self._begin(errand)
        if begun is not Begun.OVER_BUDGET:
            return lease, begun
        async with self._tight:  # one at a time asks whether there is room
            while True:
                ended = self._ended
                lease, begun = await self._begin(errand)
                if begun is not Begun.OVER_BUDGET:
                    return lease, begun
                if ended == self._ended:
                    if not self.out:
                        worst = lease.endpoint.worst(errand.request["messages"])
                        spent = self._log.spent(self._config.budget.account)
                        raise out_of_budget(self._config.budget, self._cap or Cap(), spent, worst)
                    self._next_end.clear()
                    await self._next_end.wait()

    async def _begin(self, errand: Errand) -> tuple[Lease[Place], Begun]:
        lease = await self._slot(errand)
        self._check_open(lease)
        self.out.add(errand)
        errand.claimed = True
        begun = await self._log.abegin(
            errand.key,
            errand.request,
            account=self._config.budget.account,
            worst=lease.endpoint.worst(errand.request["messages"]),
            cap=self._cap,
        )
        if begun is Begun.SENT:
            self._check_open(lease)
            errand.sent = True
            return lease, begun
        lease.release()
        self.out.discard(errand)
        self._next_end.set()
        # An attempt before this one left a claim, which over budget is still ours; taken or answered it is not.
        errand.claimed = begun is Begun.OVER_BUDGET and errand.tries > 0
        return lease, begun

    async def _slot(self, errand: Errand) -> Lease[Place]:
        try:
            return await self.pool.acquire(errand.prompt_tokens + round(self._length))
        except AllClosed as closed:
            reasons = dict.fromkeys(closed.reasons.values())
        raise UserError("; ".join(reasons))

    def _check_open(self, lease: Lease[Place]) -> None:
        if self.closed:
            lease.release()
            raise asyncio.CancelledError

    # --- after it came back --------------------------------------------------------------------------------------------------

    async def arrived(self, errand: Errand, lease: Lease[Place], arrived: Arrived) -> Stored:
        """Give the slot back, then wait until the reply is in the log."""
        reply = arrived.reply
        prompt, completion = reply["prompt_tokens"], reply["completion_tokens"]
        lease.settle(None if prompt is None or completion is None else prompt + completion, arrived.headers)
        if completion is not None:
            self._length += MEMORY * (completion - self._length)
        self.pulse.replied()
        errand.sent = errand.claimed = False  # whatever happens now, the reply is on its way into the log
        stored = await self._log.afinish(errand.key, errand.request, reply)
        self._end(errand)
        return stored

    async def failed(self, errand: Errand, lease: Lease[Place], failure: Failure) -> float:
        """Account for a failed attempt.

        Returns:
            Seconds to wait before the next one.

        Raises:
            Dead: there is none for this prompt.
            UserError: there is none for any.
        """
        errand.tries += 1
        errand.failed += failure.kind in PASSING
        lasting = failure.retry_after is not None and failure.retry_after > PATIENCE_S
        fatal = self._fatal(errand, lease.endpoint, failure)
        self.closed = self.closed or fatal is not None  # before the slot is free: nobody else finds out the same
        self._end_lease(lease, failure, lasting=lasting)
        errand.sent = False
        await self._log.afailed(errand.key, maybe_billed=failure.maybe_billed)
        self._end(errand)
        if fatal is not None:
            raise fatal
        if failure.kind in OF_THE_ENDPOINT or lasting:
            return 0.0  # another endpoint may do; if there is none, the pool says why
        wait = backoff(errand.tries, failure.retry_after)
        errand.waited += wait if failure.kind is Kind.RATE else 0.0
        if failure.kind in OF_THE_PROMPT or errand.failed > self._config.retries or errand.waited > PATIENCE_S:
            await self._give_up(errand, failure)
        return wait

    async def let_go(self, errand: Errand) -> None:
        """Tell the log that nothing is out any more, or that what was may be billed."""
        self.out.discard(errand)
        if errand.sent:
            errand.sent = False
            await self._log.afailed(errand.key, maybe_billed=True)
        if errand.claimed:
            await self._log.arelease(errand.key)

    def _end(self, errand: Errand) -> None:
        self.out.discard(errand)
        self._ended += 1
        self._next_end.set()

    def _fatal(self, errand: Errand, place: Place, failure: Failure) -> UserError | None:
        """What ends the run: no prompt would fare better."""
        if failure.kind in OF_ALL:
            return UserError(self._explained(place, failure, errand.tries))
        if failure.kind in PASSING and (streak := self.pulse.failed(errand.key, down=failure.kind is Kind.DOWN)):
            return UserError(self._explained(place, failure, streak))
        return None

    def _end_lease(self, lease: Lease[Place], failure: Failure, *, lasting: bool) -> None:
        if failure.kind in OF_THE_ENDPOINT or lasting:
            reason = self._explained(lease.endpoint, failure, 1)
            self._tell_closed(lease.endpoint.name, reason)
            lease.broken(reason)
        elif failure.kind is Kind.RATE:
            self.pulse.alive()
            lease.limited(failure.retry_after, failure.headers)
        elif failure.kind in OF_THE_PROMPT:
            self.pulse.alive()
            lease.settle(None, failure.headers)
        else:
            lease.failed()

    def _tell_closed(self, name: str, reason: str) -> None:
        """Of one endpoint among several; without another the run stops and says the same."""
        if name not in self._told and len(self._config.places) > 1:
            log.warning("endpoint '%s' is not asked any more: %s", name, reason)
        self._told.add(name)

    async def _give_up(self, errand: Errand, failure: Failure) -> None:
        reason = redact(dead_reason(failure, errand.tries), self._config)
        await self._log.adead(errand.key, errand.request, failure.kind.name.lower(), reason, errand.tries)
        errand.claimed = False
        raise Dead(reason)

    def _explained(self, place: Place, failure: Failure, tries: int) -> str:
        endpoint = place.endpoint
        text = explain(
            failure,
            model=endpoint.model or self._config.model,
            url=place.url,
            variable=endpoint.api_key_env,
            tries=tries,
        )
        return redact(text, self._config)
