"""Asking: every prompt until it is answered or given up. Lives in one event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

from orca_core import Prompt, Trace, UserError
from orca_core.responses import Begun, Cap, ResponseLog, make_request
from orca_litellm import LiteLLMConfig
from orca_litellm.asking.attempts import Attempts, Dead, Stored
from orca_litellm.asking.errand import Errand
from orca_litellm.endpoints.places import Place
from orca_litellm.endpoints.pool import Pool
from orca_litellm.explain import refuses_everything
from orca_litellm.failures import Kind
from orca_litellm.reader import Reader
from orca_litellm.replies import Arrived, filtered
from orca_litellm.traces import dead_trace, trace_of

DRAIN_S: Final = 4.0
"""How long requests that are out may still arrive once everything is to stop; then they are cancelled."""
LOOK_AGAIN_S: Final = 0.5
"""How often the log is asked for a reply that another process is waiting for."""
CHARACTERS_PER_TOKEN: Final = 4
"""About so many in English; what is reserved by it is settled with the provider's count."""

log = logging.getLogger("orca")


class Engine:
    """Carries errands; ``emit`` hands their traces out of the loop.

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
        self._config, self._decoding, self._dead, self._emit = config, config.decoding, dead, emit
        self._attempts = Attempts(config, responses, cap=cap)
        self._reader = Reader(responses)
        self._errands: dict[bytes, Errand] = {}
        """By key, those that are open: equal requests join them."""
        self._tasks: dict[asyncio.Task[None], Errand] = {}
        self._no_more = False
        self._error: BaseException | None = None
        self._done = asyncio.Event()

    # --- from outside -----------------------------------------------------------------------------------------------------

    def use(self, pool: Pool[Place]) -> None:
        """Ask these endpoints. To be called before the first :meth:`take`."""
        self._attempts.pool = pool

    def take(self, misses: Iterable[tuple[bytes, Prompt]]) -> None:
        """Prompts that the log did not know a moment ago."""
        for key, prompt in misses:
            if self._attempts.closed:
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
        self._attempts.closed = True
        self._done.set()

    async def run(self) -> BaseException | None:
        """Work until everything is answered, or stopped; what is out then is waited for a little.

        Returns:
            What went wrong.
        """
        await self._done.wait()
        out = self._attempts.out
        for task, errand in list(self._tasks.items()):
            if errand not in out:
                task.cancel()
        if out:
            log.info("waiting up to %g s for %d requests that are out", DRAIN_S, len(out))
        if self._tasks:
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
        errand = Errand(key, request, [prompt], prompt_tokens=1 + size // CHARACTERS_PER_TOKEN)
        self._errands[key] = errand
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
        """Bring an errand to its end and tell those who wait for it."""
        try:
            reply = await self._answer(errand)
        except Dead as dead:
            self._bury(errand, str(dead))
        except BaseException:
            await self._attempts.let_go(errand)
            raise
        else:
            del self._errands[errand.key]
            for prompt in errand.prompts:
                self._emit(trace_of(self._config, prompt, reply, self._decoding))

    def _bury(self, errand: Errand, reason: str) -> None:
        """Raises UserError after too many in a row."""
        self._dead[errand.key] = reason
        del self._errands[errand.key]
        for prompt in errand.prompts:
            self._emit(dead_trace(self._config, prompt, reason))
        if count := self._attempts.pulse.died():
            raise UserError(refuses_everything(count, reason, model=self._config.model)) from None

    async def _answer(self, errand: Errand) -> Stored:
        """The stored reply.

        Raises:
            Dead: the prompt is given up.
            UserError: what would befall every prompt.
        """
        while True:
            lease, begun = await self._attempts.begin(errand)
            if begun is Begun.SENT:
                outcome = await lease.endpoint.sender.send(errand.request["messages"])
                if not isinstance(outcome, Arrived) and outcome.kind is Kind.FILTERED:
                    reply = filtered(endpoint=lease.endpoint.name, model=self._config.model)
                    outcome = Arrived(reply, outcome.headers)
                if isinstance(outcome, Arrived):
                    return await self._attempts.arrived(errand, lease, outcome)
                wait = await self._attempts.failed(errand, lease, outcome)
                if self._attempts.closed:
                    raise asyncio.CancelledError
                await asyncio.sleep(wait)
                continue
            if begun is Begun.TAKEN:
                await asyncio.sleep(LOOK_AGAIN_S)
            if (stored := await self._reader.get(errand.key)) is not None:
                return stored
