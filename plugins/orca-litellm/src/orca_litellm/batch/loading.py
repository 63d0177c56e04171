"""The batch that is being filled: prompts are claimed for it in the response log before they are written into its input."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from orca_core import Prompt
from orca_core.responses import Begun
from orca_litellm.batch.files import MAX_BYTES, Batch
from orca_litellm.batch.fleet import Fleet
from orca_litellm.batch.job import BatchJob


class Item(NamedTuple):
    """A prompt on its way into a batch."""

    key: bytes
    prompt: Prompt
    rounds: int
    """Batches that it has been through."""
    line: bytes


class Loading:
    """Fills one batch after the other and sends them on their way.

    Args:
        wait: carries out a coroutine.
    """

    def __init__(
        self, job: BatchJob, fleet: Fleet, wait: Callable[[Coroutine[Any, Any, list[Begun]]], list[Begun]]
    ) -> None:
        self._job, self._fleet, self._wait = job, fleet, wait
        self._batch: Batch | None = None
        self._keys: set[bytes] = set()
        """What goes, or was meant to go, into the batch that is being filled."""

    def load(self, items: Iterable[Item]) -> Iterator[tuple[Item, Begun]]:
        """Claim prompts and write those that are ours now into a batch; a full one is sent off.

        Yields:
            Every prompt with what the log says. An equal one in the same batch is taken.
        """
        group: list[Item] = []
        for item in items:
            if item.key in self._keys:
                yield item, Begun.TAKEN
                continue
            if not self._fits(group, item):
                yield from self._claim(group)
                self.send_off()
                group = []
            group.append(item)
            self._keys.add(item.key)
        yield from self._claim(group)

    def send_off(self) -> bool:
        """Send the batch on its way, if there is anything in it."""
        batch = self._batch
        self._keys.clear()
        if batch is None or batch.requests == 0:
            return False
        batch.seal()
        self._batch = None
        self._fleet.launch(batch)
        return True

    def leave(self) -> None:
        """What was not sent off is free again."""
        if self._batch is not None:
            self._batch.dissolve()
            self._batch.close()

    def _fits(self, group: Sequence[Item], item: Item) -> bool:
        requests, size = (0, 0) if self._batch is None else (self._batch.requests, self._batch.size)
        size += sum(len(other.line) for other in group) + len(item.line)
        return requests + len(group) < self._fleet.most_requests and size < MAX_BYTES

    def _claim(self, group: Sequence[Item]) -> Iterator[tuple[Item, Begun]]:
        if not group:
            return
        batch = self._batch = self._batch or self._start()
        for item, begun in zip(group, self._wait(self._begin(group, batch.name)), strict=True):
            if begun is Begun.SENT:
                batch.add(item.line)
                batch.waiting.add(item.prompt, item.rounds)
            yield item, begun

    def _start(self) -> Batch:
        job, place = self._job, self._job.place
        return Batch.start(
            job.log, job.config.model, job.root, endpoint=place.name, url=place.url, decoding=job.decoding
        )

    async def _begin(self, group: Sequence[Item], batch: str) -> list[Begun]:
        """Record them as out, in one commit."""
        job = self._job
        account, cap = job.config.budget.account, job.cap
        wishes = (
            job.log.abegin(
                item.key, job.request(item.prompt), account=account, worst=job.worst(item.prompt), cap=cap, batch=batch
            )
            for item in group
        )
        return await asyncio.gather(*wishes)
