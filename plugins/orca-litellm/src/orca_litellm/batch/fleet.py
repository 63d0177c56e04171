"""The batches that are on their way: found again at the start, moved on, kept within what the provider takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from orca_core import Prompt, UserError
from orca_litellm.batch.files import MAX_REQUESTS, Batch, State
from orca_litellm.batch.job import BatchJob
from orca_litellm.batch.remote import FullError
from orca_litellm.batch.results import Results
from orca_litellm.batch.steps import Running, Steps

MOST_OPEN: Final = 8
"""Batches on their way at once."""
REPORT_S: Final = 60.0
"""Between two lines on how they stand."""

logger = logging.getLogger("orca")


class Landed(NamedTuple):
    """A batch that is settled."""

    waiting: Iterator[tuple[Prompt, int]]
    """The prompts that waited for it, with the number of batches that they had been through."""
    results: Results | None
    """None: it was dissolved, too big for the provider's limit."""
    adopted: bool


class Fleet:
    """The batches of one teacher that this process has locked."""

    def __init__(self, job: BatchJob, steps: Steps) -> None:
        self._job, self._steps = job, steps
        self._running: list[Running] = []
        self._reported = time.monotonic()
        self.most_requests: int = MAX_REQUESTS
        """Of a batch, as far as the provider's limit on what is enqueued is known."""
        self.strangers: set[str] = set()
        """URLs of other endpoints that batches of this teacher are at, with nobody to fetch them."""

    def __bool__(self) -> bool:
        return bool(self._running)

    @property
    def has_room(self) -> bool:
        """Whether another batch may be filled."""
        return len(self._running) < MOST_OPEN

    @property
    def all_run(self) -> bool:
        """Whether the provider works on every one."""
        return all(running.batch.state is State.CREATED for running in self._running)

    @property
    def due(self) -> float:
        """When the next one is to be looked at (monotonic seconds)."""
        return min(running.due for running in self._running)

    def adopt(self) -> None:
        """Take over what processes that are gone have left; a batch that was still being filled is dissolved."""
        self.strangers.clear()
        ours = {running.batch.name for running in self._running}
        for name, data in self._job.log.batches(self._job.config.model).items():
            if data["state"] == State.SETTLED or name in ours:
                continue
            batch = Batch.adopt(self._job.log, self._job.config.model, self._job.root / name)
            if batch is not None:
                self._take_over(batch)

    def _take_over(self, batch: Batch) -> None:
        if batch.state is State.FILLING:
            batch.dissolve()
            batch.close()
        elif not batch.input.exists():
            batch.give_up()
            batch.close()
            logger.warning(
                "batch %s is given up, as %s was deleted: its %s requests are asked again and may be billed twice",
                batch.name,
                batch.directory,
                f"{batch.requests:,}",
            )
        elif batch.data["url"] != self._job.place.url:
            self.strangers.add(batch.data["url"])
            batch.close()
        else:
            self._running.append(running := Running(batch, adopted=True))
            if batch.state is State.UPLOADED:  # its process may have died right after asking for the batch
                running.doubt()
            logger.info("goes on with batch %s of %s requests", batch.name, f"{batch.requests:,}")

    def launch(self, batch: Batch) -> None:
        """Send a batch that is prepared on its way."""
        self._running.append(Running(batch))

    def advance(self) -> Iterator[Landed]:
        """Move on those that are due, and tell of those that are settled.

        Raises:
            UserError: the provider does not take a batch, or cannot be reached.
        """
        for running in [running for running in self._running if running.due <= time.monotonic()]:
            try:
                results = self._steps.advance(running)
            except FullError as error:
                if not self._shrink(running, error):
                    continue
                results = None
            except UserError:
                if running.batch.state is State.SETTLED:  # dissolved
                    self._remove(running)
                raise
            if running.batch.state is State.SETTLED:
                landed = Landed(running.batch.waiting.drain(), results, running.adopted)
                self._remove(running)
                self._make_room()
                yield landed
        self._report()

    def _shrink(self, running: Running, error: FullError) -> bool:
        """What to do about a batch that the provider has no room for: wait if anything else of ours is in its way, else make
        smaller ones. Whether it was dissolved."""
        batches = self._job.log.batches(self._job.config.model)
        if any(data["state"] == State.CREATED for name, data in batches.items() if name != running.batch.name):
            running.later()
            return False
        self.most_requests = min(self.most_requests, running.batch.requests // 2)
        running.batch.dissolve()
        if self.most_requests == 0:
            self._remove(running)
            raise UserError(
                f"the provider's limit on what may be enqueued has no room for a single request: {error}. "
                "Ask for a higher one, or set teacher.batch=false"
            )
        logger.info(
            "the provider has no room for so big a batch; the next ones have up to %s requests", self.most_requests
        )
        return True

    def _make_room(self) -> None:
        """What waited for the provider to have room need not wait any longer."""
        for running in self._running:
            if running.batch.state is State.UPLOADED and not running.unsure:
                running.due = 0.0

    def _remove(self, running: Running) -> None:
        self._running.remove(running)
        running.batch.close()

    def _report(self) -> None:
        if time.monotonic() - self._reported >= REPORT_S and self._running:
            self._reported = time.monotonic()
            logger.info("%s", self.describe())

    def describe(self) -> str:
        """How they stand."""
        requests = sum(running.batch.requests for running in self._running)
        done = sum(running.done for running in self._running)
        n = len(self._running)
        return f"{n} batch{'es' if n > 1 else ''} at {self._job.place.url}: {done:,} of {requests:,} requests are done"

    def leave(self) -> None:
        """Let go of all, and say so: the provider goes on with its work."""
        if self._running:
            logger.warning("%s. They go on there; the same command fetches their answers", self.describe())
        for running in self._running:
            running.batch.close()
        self._running.clear()
