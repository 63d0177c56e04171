"""Concurrent work behind an ordinary iterator: asyncio in a background thread, a generator in front."""

from __future__ import annotations

import asyncio
import functools
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")
STOP_S: Final = 5.0
"""How long a closed iterator waits for the work that it cancelled."""
EXHAUSTED: Final = object()


@dataclass(frozen=True)
class _End:
    error: BaseException | None


@functools.cache
def _event_loop(process: int) -> asyncio.AbstractEventLoop:
    """The one background loop of a process: litellm's connections and its logging queue are bound to the loop they began on."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="orca-litellm", daemon=True).start()
    return loop


def concurrently(work: Callable[[T], Awaitable[R]], items: Iterable[T], *, workers: int) -> Iterator[R]:
    """Yield ``await work(item)`` for every item, in the order of completion, ``workers`` at a time.

    Items are pulled one by one, in a thread of their own (so that a slow source holds up nobody's reply), and never more than
    ``2 * workers`` ahead of what was taken from the iterator: memory does not grow with their number. The first error
    of the work or of the source ends it, after the results that came before. Closing the iterator cancels what is in flight.
    """
    loop = _event_loop(os.getpid())
    results: queue.SimpleQueue[R | _End] = queue.SimpleQueue()
    slots = asyncio.Semaphore(2 * workers)
    stopped = threading.Event()
    feeder = ThreadPoolExecutor(1, thread_name_prefix="orca-prompts")
    source = iter(items)

    async def pull() -> None:
        while await slots.acquire():
            item: Any = await loop.run_in_executor(feeder, next, source, EXHAUSTED)
            if item is EXHAUSTED:
                return
            results.put(await work(item))

    async def pull_all() -> None:
        error: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(pull())
        except BaseExceptionGroup as errors:
            error = errors.exceptions[0]
        finally:
            results.put(_End(error))
            stopped.set()

    job = asyncio.run_coroutine_threadsafe(pull_all(), loop)
    try:
        while not isinstance(result := results.get(), _End):
            loop.call_soon_threadsafe(slots.release)
            yield result
        if result.error is not None:
            raise result.error
    finally:
        job.cancel()
        stopped.wait(STOP_S)
        feeder.shutdown(wait=False, cancel_futures=True)
