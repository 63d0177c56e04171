"""Asking through a provider's batch API: prompts in files of up to 50,000, answers within a day, at half the price.

Prompts that have no answer yet are claimed in the response log under the name of a batch and wait in a file while the
provider works on it. Several batches are on their way at once. When one ends, its answers are in the log and are yielded; what
it left open goes into the next one. A batch outlives this process: whoever runs the same teacher next goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice
from typing import Any, Final, TypeVar

from orca_core import OrcaError, Prompt, Trace
from orca_core.responses import Begun, Cap
from orca_litellm.asking.stream import STOP_S, background_loop
from orca_litellm.batch.files import MAX_BYTES
from orca_litellm.batch.fleet import Fleet, Landed
from orca_litellm.batch.job import BatchJob
from orca_litellm.batch.leftovers import still_running
from orca_litellm.batch.loading import Item, Loading
from orca_litellm.batch.results import NO_OUTCOME
from orca_litellm.batch.spool import Spool
from orca_litellm.batch.steps import Pause, Steps
from orca_litellm.explain import out_of_budget
from orca_litellm.traces import dead_trace, refuse_choices, trace_of

CHUNK: Final = 1000
"""Prompts that are looked up and claimed together."""
ROUNDS: Final = 3
"""Batches that a request may go through before it is given up."""

T = TypeVar("T")
Waiting = tuple[Prompt, int]
"""A prompt and the number of batches that it has been through."""


def respond_by_batch(job: BatchJob, prompts: Iterable[Prompt]) -> Iterator[Trace]:
    """One trace per prompt: those with an answer in the log at once, the others as their batches end.

    Closing the iterator leaves what the provider works on where it is; the next call goes on with it.

    Raises:
        OutOfBudgetError: the budget has no room for more. What was claimed is answered.
        UserError: the endpoint refuses the key, a file or a batch, or cannot be reached.
    """
    asking = _Asking(job)
    try:
        yield from asking.run(prompts)
    finally:
        asking.leave()


class _Asking:
    """One call of :func:`respond_by_batch`."""

    def __init__(self, job: BatchJob) -> None:
        self._job, self._log = job, job.log
        self._fleet = Fleet(job, Steps(job.provider, job.log, job.config.model, job.read, self._wait_for))
        self._loading = Loading(job, self._fleet, self._wait_for)
        self._back: deque[Iterator[Waiting]] = deque()
        """Prompts whose batch has ended."""
        self._elsewhere = Spool(job.root)
        """Prompts whose answers someone else brings: another batch, or another process."""
        self._look_at, self._pause = 0.0, Pause()
        self._failed: dict[bytes, str] = {}
        """Why the last batch did not answer a request."""
        self._refused: Prompt | None = None
        """The first prompt that the budget has no room for."""
        self._short = Spool(job.root)
        """All such prompts."""
        self._claimed = False
        """Whether any was claimed since they were last tried."""
        self._exhausted = False
        self._pending: Future[Any] | None = None

    def run(self, prompts: Iterable[Prompt]) -> Iterator[Trace]:
        stream = ((prompt, 0) for prompt in prompts)
        self._fleet.adopt()
        while True:
            for landed in self._fleet.advance():
                self._take_back(landed)
            if chunk := self._next(stream):
                yield from self._take(chunk)
            elif self._no_more and self._loading.send_off():
                pass
            elif self._refused is not None and not self._fleet:
                self._try_again(self._refused)
            elif self._fleet or self._elsewhere:
                self._sleep()
                self._look_elsewhere()
            else:
                break

    def leave(self) -> None:
        """Stop: what was not sent yet is free again, what the provider works on goes on."""
        with contextlib.suppress(Exception):  # whatever it was, it has been raised, or is repeated by the next run
            if self._pending is not None:
                self._pending.result(STOP_S)
        with contextlib.suppress(OrcaError):  # a full disk: the next run dissolves it
            self._loading.leave()
        self._elsewhere.close()
        self._short.close()
        self._fleet.leave()

    # --- where prompts come from -------------------------------------------------------------------------------------------

    def _next(self, stream: Iterator[Waiting]) -> list[Waiting]:
        """Prompts to look at now: those whose batch has ended first."""
        n = min(CHUNK, self._fleet.most_requests)
        while self._back:
            if chunk := list(islice(self._back[0], n)):
                return chunk
            self._back.popleft()
        if self._no_more or not self._fleet.has_room:
            return []
        chunk = list(islice(stream, n))
        self._exhausted = not chunk
        return chunk

    @property
    def _no_more(self) -> bool:
        """Whether nothing comes from the stream, for now."""
        return self._exhausted or self._refused is not None

    def _try_again(self, prompt: Prompt) -> None:
        """All that was reserved is settled: for some of those that were refused there may be room now.

        Raises:
            OutOfBudgetError: there is none.
        """
        if not self._claimed:
            budget, cap = self._job.config.budget, self._job.cap or Cap()
            raise out_of_budget(budget, cap, self._log.spent(budget.account), self._job.worst(prompt))
        self._refused, self._claimed = None, False
        self._back.append(self._short.drain())

    def _take_back(self, landed: Landed) -> None:
        """A batch has ended: its prompts have answers, or go through another one."""
        rounds = 0
        if landed.results is not None:
            self._job.dead.update(landed.results.dead)
            self._failed.update(landed.results.failed)
            rounds = 1
        self._back.append((prompt, before + rounds) for prompt, before in landed.waiting)
        if landed.adopted:
            self._look_at, self._pause = 0.0, Pause()

    def _sleep(self) -> None:
        """Until there may be something to do."""
        times = [self._fleet.due] if self._fleet else []
        times += [self._look_at] if self._elsewhere else []
        time.sleep(max(0.0, min(times, default=0.0) - time.monotonic()))

    def _look_elsewhere(self) -> None:
        """See to those whose answers someone else brings, and to what someone else has left, after a pause that grows."""
        if not self._elsewhere or self._look_at > time.monotonic():
            return
        self._look_at = self._pause.until()
        self._fleet.adopt()
        if self._fleet.strangers and not self._fleet:
            raise still_running(self._job, self._fleet.strangers)
        self._back.append(self._elsewhere.drain())

    # --- what becomes of them ----------------------------------------------------------------------------------------------

    def _take(self, chunk: Sequence[Waiting]) -> Iterator[Trace]:
        """Traces of those that have an answer, or are given up; the others go into a batch."""
        job = self._job
        for prompt, _ in chunk:
            refuse_choices(job.config, prompt)
        keys = [job.key(prompt) for prompt, _ in chunk]
        stored = self._log.get_many(dict.fromkeys(keys))
        fresh = []
        for key, (prompt, rounds) in zip(keys, chunk, strict=True):
            if key in stored:
                yield trace_of(job.config, prompt, stored[key], job.decoding)
            elif key in job.dead:
                yield dead_trace(job.config, prompt, job.dead[key])
            elif rounds >= ROUNDS:
                reason = f"no usable answer from {rounds} batches, the last time: {self._failed.pop(key, NO_OUTCOME)}"
                yield self._give_up(key, prompt, reason, rounds)
            else:
                fresh.append(Item(key, prompt, rounds, job.line(key, prompt)))
        yield from self._load(fresh)

    def _load(self, items: Iterable[Item]) -> Iterator[Trace]:
        job = self._job
        small = (item for item in items if len(item.line) < MAX_BYTES)
        for item, begun in self._loading.load(small):
            match begun:
                case Begun.SENT:
                    self._claimed = True
                case Begun.TAKEN:
                    self._elsewhere.add(item.prompt, item.rounds)
                case Begun.ANSWERED:
                    stored = self._log.get_many([item.key])[item.key]
                    yield trace_of(job.config, item.prompt, stored, job.decoding)
                case Begun.OVER_BUDGET:
                    self._refused = self._refused or item.prompt
                    self._short.add(item.prompt, item.rounds)
        for item in items:
            if len(item.line) >= MAX_BYTES:
                yield self._give_up(item.key, item.prompt, "prompt too long for a file of requests", 0)

    def _give_up(self, key: bytes, prompt: Prompt, reason: str, attempts: int) -> Trace:
        self._log.dead(key, self._job.request(prompt), "batch", reason, attempts)
        self._job.dead[key] = reason
        return dead_trace(self._job.config, prompt, reason)

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out work in the background loop, as this thread may have a loop of its own."""
        self._pending = future = asyncio.run_coroutine_threadsafe(work, background_loop())
        return future.result()
