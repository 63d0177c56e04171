"""One round of asking: threads that pull and look up, the engine that asks, and the traces that come out.

prompts --> looked up in the log --known--> traces
                                 --unknown--> engine --> traces
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from orca_core import Prompt, Trace
from orca_core.responses import Cap, ResponseLog, request_key
from orca_litellm import LiteLLMConfig
from orca_litellm.asking.engine import Engine
from orca_litellm.asking.stream import STOP_S, End, Mailbox, Window, background_loop, pull, received, start_thread
from orca_litellm.endpoints.places import open_places
from orca_litellm.endpoints.pool import Pool
from orca_litellm.endpoints.wire import Session
from orca_litellm.traces import dead_trace, refuse_choices, trace_of

CHUNK: Final = 256
"""Most prompts that are looked up in the log at once."""
AHEAD: Final = 4
"""Prompts under way for each that may be in flight, so that those that wait out a rate limit keep no slot empty."""


class Round:
    """What a teacher does with one stream of prompts.

    Args:
        cache: where litellm's facts are kept.
        share: this process's part of all limits.
        dead: the reasons of the requests that this teacher gave up, by key; read and added to.
    """

    def __init__(
        self, config: LiteLLMConfig, cache: Path, log: ResponseLog, *, share: float, dead: dict[bytes, str]
    ) -> None:
        self._config, self._cache, self._log, self._share, self._dead = config, cache, log, share, dead
        self._decoding = config.decoding
        self._results: Mailbox[Trace | End] = Mailbox()
        self._window = Window(CHUNK + AHEAD * sum(place.workers or config.workers for place in config.places))
        self._loop = background_loop()
        self._session = Session()
        self._opened = False
        self._engine = Engine(config, log, cap=cap_of(config, share), dead=dead, emit=self._results.put)

    def traces(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        """One trace per prompt, in the order of arrival. Closing it stops the work, within ``STOP_S`` seconds."""
        pulled = pull(prompts, self._window)
        start_thread(functools.partial(self._look_up_all, pulled), "orca-lookup")
        work = asyncio.run_coroutine_threadsafe(self._work(), self._loop)
        try:
            yield from received(self._results, self._window)
        finally:
            self._window.close()
            self._loop.call_soon_threadsafe(self._engine.stop)
            with contextlib.suppress(concurrent.futures.TimeoutError):
                work.result(STOP_S)

    async def _work(self) -> None:
        error: BaseException | None = None
        try:
            error = await self._engine.run()
            await self._session.close()
        except BaseException as unexpected:
            error = error or unexpected
            raise
        finally:
            self._results.put(End(error))

    def _look_up_all(self, pulled: Mailbox[Prompt | End]) -> None:
        """Sort prompts into known and unknown until there are no more. In a thread of its own."""
        try:
            while True:
                some = pulled.get_some(CHUNK)
                end = some[-1]
                self._look_up([item for item in some if not isinstance(item, End)])
                if isinstance(end, End):
                    break
            if end.error is not None:
                raise end.error
            self._loop.call_soon_threadsafe(self._engine.no_more)
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._engine.fail, error)

    def _look_up(self, prompts: list[Prompt]) -> None:
        model, decoding = self._config.model, self._decoding
        for prompt in prompts:
            refuse_choices(self._config, prompt)
        keyed = [(request_key(model, prompt.messages, decoding, prompt.sample), prompt) for prompt in prompts]
        known = self._log.get_many({key for key, _ in keyed})
        misses = []
        for key, prompt in keyed:
            if (reply := known.get(key)) is not None:
                self._results.put(trace_of(self._config, prompt, reply, decoding))
            elif (reason := self._dead.get(key)) is not None:
                self._results.put(dead_trace(self._config, prompt, reason))
            else:
                misses.append((key, prompt))
        if misses:
            self._open()
            self._loop.call_soon_threadsafe(self._engine.take, misses)

    def _open(self) -> None:
        """With the first unknown prompt: what is all known needs no key, no server and no litellm."""
        if not self._opened:
            places = open_places(self._config, self._cache, self._session)
            self._engine.use(Pool(places, workers=self._config.workers, share=self._share))
            self._opened = True


def cap_of(config: LiteLLMConfig, share: float) -> Cap | None:
    """The budget's caps, this process's part of them; None: there are none."""
    budget = config.budget
    if not budget.capped:
        return None
    return Cap(
        usd=None if budget.usd is None else budget.usd * share,
        requests=None if budget.requests is None else int(budget.requests * share),
        tokens=None if budget.tokens is None else int(budget.tokens * share),
    )
