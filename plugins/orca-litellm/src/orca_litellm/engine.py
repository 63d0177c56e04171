"""Asking: every prompt until it is answered or given up, with the log told before and after. Lives in one event loop.

A request takes a slot of the pool, is recorded as out, leaves, gives the slot back, and counts when the log has its reply.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from orca_core import Prompt, Trace, UserError
from orca_core.responses import Begun, Cap, ResponseLog, make_request
from orca_litellm import LiteLLMConfig
from orca_litellm.errand import Errand
from orca_litellm.explain import dead_reason, explain, out_of_budget, refuses_everything
from orca_litellm.failures import OF_ALL, OF_THE_ENDPOINT, OF_THE_PROMPT, PASSING, PATIENCE_S, Failure, Kind, backoff
from orca_litellm.places import Place, redact
from orca_litellm.pool import AllClosed, Lease, Pool
from orca_litellm.pulse import Pulse
from orca_litellm.reader import Reader
from orca_litellm.replies import Arrived, filtered
from orca_litellm.traces import dead_trace, trace_of

DRAIN_S: Final = 4.0
"""How long requests that are out may still arrive once everything is to stop; then they are cancelled."""
LOOK_AGAIN_S: Final = 0.5
"""How often the log is asked for a reply that another process is waiting for."""
EXPECTED: Final = 400
"""Tokens expected of an answer until the first ones tell: the paper packs 2.7 examples of prompt and answer into 2,048."""
MEMORY: Final = 0.05
"""Weight of the newest answer in the running mean of their lengths."""

log = logging.getLogger("orca")
Stored = Mapping[str, Any]


class Dead(Exception):  # noqa: N818
    """A prompt is given up, for this reason."""


class Engine:
    """Carries errands. All of it runs in the loop; ``emit`` hands traces out of it.

    Args:
        cap: of the account, this process's part of it; None: none.
        dead: the reasons of given-up requests by key; added to.
    """

    def __init__(
        self,
        config: LiteLLMConfig,
        responses: ResponseLog,
        *,
        cap: Cap | None,
        dead: dict[bytes, str],
        emit: Callable[[Trace], None],
    ) -> None:
        self._config, self._log, self._cap, self._dead, self._emit = config, responses, cap, dead, emit
        self._decoding = config.decoding
        self._reader = Reader(responses)
        self._pulse = Pulse(config.retries)
        self._errands: dict[bytes, Errand] = {}
        self._tasks: dict[asyncio.Task[None], Errand] = {}
        self._out: set[Errand] = set()
        self._ended, self._next_end = 0, asyncio.Event()
        self._tight = asyncio.Lock()
        self._length = float(min(EXPECTED, config.max_tokens or EXPECTED))
        self._no_more = self._stopping = False
        self._error: BaseException | None = None
        self._done = asyncio.Event()
        self.pool: Pool[Place]
        """Set before the first errand comes."""

    # --- from outside -----------------------------------------------------------------------------------------------------

    def take(self, misses: Iterable[tuple[bytes, Prompt]]) -> None:
        """Prompts that the log did not know a moment ago."""
        for key, prompt in misses:
            if self._stopping:
                return
            if (errand := self._errands.get(key)) is not None:
                errand.prompts.append(prompt)
            elif key in self._dead:
                self._emit(dead_trace(self._config, prompt, self._dead[key]))
            else:
                self._start(key, prompt)

    def no_more(self) -> None:
        """The last prompt has come."""
        self._no_more = True
        self._look_whether_done()

    def fail(self, error: BaseException) -> None:
        """End with this error; the first one counts."""
        self._error = self._error or error
        self.stop()

    def stop(self) -> None:
        """Send nothing any more."""
        self._stopping = True
        self._done.set()

    async def run(self) -> BaseException | None:
        """Work until everything is answered, or stopped; what is out then is waited for a little.

        Returns:
            What went wrong.
        """
        await self._done.wait()
        for task, errand in list(self._tasks.items()):
            if errand not in self._out:
                task.cancel()
        if self._tasks:
            if self._out:
                log.info("waiting up to %g s for %d requests that are out", DRAIN_S, len(self._out))
            await asyncio.wait(list(self._tasks), timeout=DRAIN_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        return self._error

    # --- an errand --------------------------------------------------------------------------------------------------------

    def _start(self, key: bytes, prompt: Prompt) -> None:
        request = make_request(self._config.model, prompt.messages, self._decoding, prompt.sample)
        size = sum(len(message["content"]) for message in request["messages"])
        errand = self._errands[key] = Errand(key, request, [prompt], prompt_tokens=16 + size // 4)
        task = asyncio.get_running_loop().create_task(self._carry(errand))
        self._tasks[task] = errand
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        errand = self._tasks.pop(task)
        if self._errands.get(errand.key) is errand:
            del self._errands[errand.key]
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)
        self._look_whether_done()

    def _look_whether_done(self) -> None:
        if self._no_more and not self._tasks:
            self._done.set()

    async def _carry(self, errand: Errand) -> None:
        try:
            reply = await self._answer(errand)
        except Dead as dead:
            self._dead[errand.key] = reason = str(dead)
            for prompt in self._errands.pop(errand.key).prompts:
                self._emit(dead_trace(self._config, prompt, reason))
            if count := self._pulse.died():
                raise UserError(refuses_everything(count, reason, model=self._config.model)) from None
        except BaseException:
            await self._let_go(errand)
            raise
        else:
            for prompt in self._errands.pop(errand.key).prompts:
                self._emit(trace_of(self._config, prompt, reply, self._decoding))

    async def _let_go(self, errand: Errand) -> None:
        """Tell the log that nothing is out any more, or that what was may be billed."""
        self._out.discard(errand)
        if errand.sent:
            errand.sent = False
            await self._log.afailed(errand.key, maybe_billed=True)
        if errand.claimed:
            await self._log.arelease(errand.key)

    async def _answer(self, errand: Errand) -> Stored:
        """The stored reply.

        Raises:
            Dead: the prompt is given up.
            UserError: what would befall every prompt.
        """
        while True:
            lease, begun = await self._leave(errand)
            if begun is Begun.SENT:
                outcome = await lease.endpoint.sender.send(errand.request["messages"])
                if isinstance(outcome, Arrived):
                    return await self._arrived(errand, lease, outcome)
                if outcome.kind is Kind.FILTERED:
                    reply = filtered(endpoint=lease.endpoint.name, model=self._config.model, latency=0.0)
                    return await self._arrived(errand, lease, Arrived(reply, outcome.headers))
                wait = await self._failed(errand, lease, outcome)
                if self._stopping:
                    raise asyncio.CancelledError
                await asyncio.sleep(wait)
                continue
            if begun is Begun.TAKEN:
                await asyncio.sleep(LOOK_AGAIN_S)
            if (stored := await self._reader.get(errand.key)) is not None:
                return stored

    async def _leave(self, errand: Errand) -> tuple[Lease[Place], Begun]:
        """A slot, and what the log says to the wish to send; waits while the budget has no room but may have it again."""
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
                    if not self._out:
                        worst = lease.endpoint.worst(errand.request["messages"])
                        spent = self._log.spent(self._config.budget.account)
                        raise out_of_budget(self._config.budget, self._cap or Cap(), spent, worst)
                    self._next_end.clear()
                    await self._next_end.wait()

    async def _begin(self, errand: Errand) -> tuple[Lease[Place], Begun]:
        """A slot of the pool and, if the log agrees, the right to send."""
        lease = await self._slot(errand)
        if self._stopping:
            lease.release()
            raise asyncio.CancelledError
        self._out.add(errand)
        errand.claimed = True
        begun = await self._log.abegin(
            errand.key,
            errand.request,
            account=self._config.budget.account,
            worst=lease.endpoint.worst(errand.request["messages"]),
            cap=self._cap,
        )
        if begun is Begun.SENT:
            errand.sent = True
            if self._stopping:
                errand.sent = False
                raise asyncio.CancelledError
            return lease, begun
        lease.release()
        self._out.discard(errand)
        self._next_end.set()
        # An attempt before this one may have left a claim, which only one that is over budget still has.
        errand.claimed = begun is Begun.OVER_BUDGET and errand.tries > 0
        return lease, begun

    async def _slot(self, errand: Errand) -> Lease[Place]:
        try:
            return await self.pool.acquire(errand.prompt_tokens + round(self._length))
        except AllClosed as closed:
            reasons = dict.fromkeys(closed.reasons.values())
        raise UserError("; ".join(reasons))

    async def _arrived(self, errand: Errand, lease: Lease[Place], arrived: Arrived) -> Stored:
        """Give the slot back, then wait until the reply is in the log."""
        reply = arrived.reply
        prompt, completion = reply["prompt_tokens"], reply["completion_tokens"]
        lease.settle(None if prompt is None or completion is None else prompt + completion, arrived.headers)
        if completion is not None:
            self._length += MEMORY * (completion - self._length)
        self._pulse.replied()
        errand.sent = errand.claimed = False  # whatever happens now, the log is on its way to know the reply
        stored = await self._log.afinish(errand.key, errand.request, reply)
        self._ends(errand)
        return stored

    def _ends(self, errand: Errand) -> None:
        self._out.discard(errand)
        self._ended += 1
        self._next_end.set()

    # --- failures ---------------------------------------------------------------------------------------------------------

    async def _failed(self, errand: Errand, lease: Lease[Place], failure: Failure) -> float:
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
        if (fatal := self._fatal(errand, lease.endpoint, failure)) is not None:
            self.fail(fatal)  # before the slot is free: nobody else finds out the same
        self._end_lease(lease, failure, lasting=lasting)
        errand.sent = False
        await self._log.afailed(errand.key, maybe_billed=failure.maybe_billed)
        self._ends(errand)
        if fatal is not None:
            raise fatal
        if failure.kind in OF_THE_ENDPOINT or lasting:
            return 0.0  # another endpoint may do; if there is none, the pool says why
        wait = backoff(errand.tries, failure.retry_after)
        errand.waited += wait if failure.kind is Kind.RATE else 0.0
        if failure.kind in OF_THE_PROMPT or errand.failed > self._config.retries or errand.waited > PATIENCE_S:
            await self._give_up(errand, failure)
        return wait

    def _fatal(self, errand: Errand, place: Place, failure: Failure) -> UserError | None:
        """What ends the run: no prompt would fare better."""
        if failure.kind in OF_ALL:
            return UserError(self._explained(place, failure, errand.tries))
        if failure.kind in PASSING and (streak := self._pulse.failed(errand.key, down=failure.kind is Kind.DOWN)):
            return UserError(self._explained(place, failure, streak))
        return None

    def _end_lease(self, lease: Lease[Place], failure: Failure, *, lasting: bool) -> None:
        if failure.kind in OF_THE_ENDPOINT or lasting:
            reason = self._explained(lease.endpoint, failure, 1)
            log.debug("endpoint %s is closed: %s", lease.endpoint.name, reason)
            lease.broken(reason)
        elif failure.kind is Kind.RATE:
            self._pulse.alive()
            lease.limited(failure.retry_after, failure.headers)
        elif failure.kind in OF_THE_PROMPT:
            self._pulse.alive()
            lease.settle(None, failure.headers)
        else:
            lease.failed()

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
