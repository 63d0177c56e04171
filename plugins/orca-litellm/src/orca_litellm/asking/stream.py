"""An ordinary iterator in front of the engine: prompts are pulled and looked up in threads, asking happens in a loop.

    source --puller--> pulled --looker--> known: results
                                      \\--> unknown: engine (event loop) --> results --> the caller

What is handed over between threads goes in batches that form by themselves: who is busy finds more when it comes back.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
STOP_S: Final = 5.0
"""How long a closed iterator waits for what it stopped."""


@functools.cache
def event_loop(process: int) -> asyncio.AbstractEventLoop:
    """The one background loop of a process: litellm's connections and its logging queue are bound to the loop they began on."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="orca-litellm", daemon=True).start()
    return loop


def background_loop() -> asyncio.AbstractEventLoop:
    """The background loop of this process."""
    return event_loop(os.getpid())


class Mailbox(Generic[T]):
    """A queue between threads that wakes its reader once for all that came while it slept."""

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._there = threading.Event()

    def put(self, item: T) -> None:
        """From any thread."""
        self._items.append(item)
        if not self._there.is_set():
            self._there.set()

    def get(self) -> T:
        """The next item, as soon as there is one. One reader."""
        while not self._items:
            self._there.clear()
            if not self._items:
                self._there.wait()
        return self._items.popleft()

    def get_some(self, most: int) -> list[T]:
        """At least one item, and up to so many that are there already."""
        some = [self.get()]
        while self._items and len(some) < most:
            some.append(self._items.popleft())
        return some


@dataclass(frozen=True, slots=True)
class End:
    """Nothing comes any more, perhaps because of an error."""

    error: BaseException | None = None


class Window:
    """Bounds what is between the source and the caller, so that memory does not grow with the number of prompts."""

    def __init__(self, size: int) -> None:
        self._size, self._entered, self._left = size, 0, 0
        self._room = threading.Event()
        self._open = True

    def enter(self) -> bool:
        """Wait for room; False: closed. One thread."""
        while self._open and self._entered - self._left >= self._size:
            self._room.clear()
            if self._open and self._entered - self._left >= self._size:
                self._room.wait()
        self._entered += 1
        return self._open

    def leave(self) -> None:
        """One is through. One thread. The source is woken when a quarter of the window is free."""
        self._left += 1
        if not self._room.is_set() and 4 * (self._entered - self._left) <= 3 * self._size:
            self._room.set()

    def close(self) -> None:
        """Let nobody in any more."""
        self._open = False
        self._room.set()


def pull(source: Iterable[T], window: Window) -> Mailbox[T | End]:
    """Read the source in a thread of its own: a slow one holds up nobody's reply."""
    pulled: Mailbox[T | End] = Mailbox()

    def read() -> None:
        try:
            for item in source:
                if not window.enter():
                    return
                pulled.put(item)
        except BaseException as error:  # an error of the source is the caller's to see
            pulled.put(End(error))
        else:
            pulled.put(End())

    start_thread(read, "orca-prompts")
    return pulled


def start_thread(work: Callable[[], None], name: str) -> None:
    """A thread that does not keep the process alive."""
    threading.Thread(target=work, name=name, daemon=True).start()


def received(results: Mailbox[T | End], window: Window) -> Iterator[T]:
    """What arrives, until the end; an error comes after the results before it."""
    while not isinstance(result := results.get(), End):
        window.leave()
        yield result
    if result.error is not None:
        raise result.error
