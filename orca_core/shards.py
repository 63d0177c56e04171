"""Dividing what is asked among the workers of an executor: files of prompts for who answers in order, key ranges for who keeps a log.

A key range is a share of all requests by the hash of what is asked, so that equal requests meet in one worker. Each worker has
a log of its own on its own disk and a share of the limits; the logs come together in the store's. See :mod:`orca_core.shipping`.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import signal
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from orca_core.asking import Shard
from orca_core.component import Context
from orca_core.local import LOCAL
from orca_core.parts import Part
from orca_core.protocols import Executor
from orca_core.records import Prompt, Trace
from orca_core.responses import FILE, ResponseLog, canonical_json
from orca_core.responses.parts import Balance, balances
from orca_core.shipping import SHIP_S, Depot, Home, every, homes, take
from orca_core.store import Slot
from orca_core.tables import write_prompts
from orca_core.workers import Files, Range, Recipe, answer, fill

log_lines = logging.getLogger("orca")
BUFFERED: Final = 20_000
"""Prompts in memory while they are divided."""


class Crew:
    """The workers of an executor, answering in this process's stead.

    Args:
        executor: has the workers.
        part: who answers.
        checkpoint: of a student.
        context: of this process; its cache holds the store's response log.
        shared: a directory of the stage on a disk that all workers share.
    """

    def __init__(self, executor: Executor, part: Part, checkpoint: Path | None, context: Context, shared: Path) -> None:
        self.executor, self.context, self.shared, self.part = executor, context, shared, part
        share = 1 / executor.workers
        self.recipe = Recipe(part.kind, part.node, checkpoint, context.seed, context.cache, share)

    def fill(self, shards: Sequence[Shard], total: int) -> None:
        """Have the shards filled; each worker gets as many, so that it builds its model once."""
        n = min(self.executor.workers, len(shards))

        def report() -> None:
            self.context.progress(total * sum(shard.path.exists() for shard in shards) / len(shards), total)

        with (
            every(SHIP_S, report),
            closing(self.executor.map(fill, [Files(self.recipe, shards[i::n]) for i in range(n)])) as results,
        ):
            for _ in results:
                pass

    def collect(self, prompts: Iterable[Prompt], total: int) -> dict[str, Trace]:
        """Have prompts answered into the store's log; returns the dead letters by prompt id."""
        with ResponseLog(self.context.cache / FILE) as log, _tells_of_losses(log):
            self._settle_earlier(log)
            depot = Depot(self.shared / uuid.uuid4().hex)
            depot.parts.mkdir(parents=True, mode=0o700)
            counts = _divide(prompts, depot, self.executor.workers)
            tasks = self._ranges(depot, counts, balances(log.path, self.recipe.share))
            done, taken = total - sum(counts), set[Path]()

            def receive() -> None:
                nonlocal done
                for part in depot.shipped():
                    if part not in taken:
                        done += take(log, part, self.shared)
                        taken.add(part)
                self.context.progress(done, total)

            with every(SHIP_S, receive), _stops(depot), closing(self.executor.map(answer, tasks)) as results:
                dead = {trace.prompt.id: trace for traces in results for trace in traces}
        for used in (self.shared, homes(self.shared)):
            shutil.rmtree(used, ignore_errors=True)
        return dead

    def _ranges(self, depot: Depot, counts: Sequence[int], opening: Sequence[Balance]) -> list[Range]:
        n = len(counts)
        return [
            Range(self.recipe, depot, index, f"{index:05d}-of-{n:05d}", opening)
            for index, count in enumerate(counts)
            if count
        ]

    def _settle_earlier(self, log: ResponseLog) -> None:
        """Take over what rounds left that did not come to their end, once their workers, if any live, have seen it."""
        self.shared.mkdir(parents=True, exist_ok=True, mode=0o700)
        depots = [Depot(path) for path in self.shared.iterdir() if path.is_dir()]
        for depot in depots:
            depot.stop()
        if not all(depot.ended for depot in depots):
            time.sleep(2 * SHIP_S)
        for path in homes(self.shared).glob("*/*-of-*"):
            home = Home(path)
            with home.locked():
                home.empty_into(log, self.shared)
        for depot in depots:
            # under another name, nothing arrives in it any more
            closed = Depot(depot.path.rename(depot.path.with_name(f"closed-{uuid.uuid4().hex}")))
            for part in closed.shipped():
                take(log, part, self.shared)
            shutil.rmtree(closed.path)


def crew(executor: Part, part: Part, checkpoint: Path | None, context: Context, slot: Slot) -> Crew | None:
    """The workers of an executor, or None if it is this process that answers."""
    if executor.component is LOCAL:
        return None
    return Crew(executor.build(context), part, checkpoint, context, slot.path / "ranges")


@contextmanager
def _tells_of_losses(log: ResponseLog) -> Iterator[None]:
    """Say how many requests brought no reply; the workers' own words stay where they are."""
    before = log.maybe_billed()
    try:
        yield
    finally:
        after = log.maybe_billed()
        if count := after.count - before.count:
            log_lines.warning(
                "%d requests brought no reply and may have been billed (at most $%.4f): they were out when a worker died, or failed",
                count,
                after.usd - before.usd,
            )


@contextmanager
def _stops(depot: Depot) -> Iterator[None]:
    """Tell the workers to stop as soon as an interrupt or error comes, before the executor waits for them to end."""
    main = threading.current_thread() is threading.main_thread()
    before: Any = signal.getsignal(signal.SIGINT)

    def stop_first(number: int, frame: Any) -> None:
        depot.stop()
        before(number, frame)

    if main and callable(before):
        signal.signal(signal.SIGINT, stop_first)
    try:
        yield
    except BaseException:
        depot.stop()
        raise
    finally:
        depot.end()
        if main and callable(before):
            signal.signal(signal.SIGINT, before)


def _divide(prompts: Iterable[Prompt], depot: Depot, n: int) -> list[int]:
    """Write each range's prompts into its directory; returns their numbers."""
    counts, buffers = [0] * n, [list[Prompt]() for _ in range(n)]

    def flush(index: int) -> None:
        directory = depot.prompts(index)
        directory.mkdir(exist_ok=True)
        write_prompts(directory / f"prompts-{counts[index]:010d}.parquet", buffers[index])
        buffers[index].clear()

    for prompt in prompts:
        index = range_of(prompt, n)
        counts[index] += 1
        buffers[index].append(prompt)
        if len(buffers[index]) >= max(500, BUFFERED // n):
            flush(index)
    for index, left in enumerate(buffers):
        if left:
            flush(index)
    return counts


def range_of(prompt: Prompt, n: int) -> int:
    """Which of ``n`` key ranges a request falls into: by what is asked, whatever task it is asked for."""
    asked = canonical_json([prompt.messages, list(prompt.choices), prompt.sample])
    digest = hashlib.blake2b(asked.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") * n >> 64
