"""The way of one batch, a step at a time: uploaded, created, polled, its results fetched and taken in.

A step that is repeated after a crash does no harm: an upload twice leaves an orphaned file; before a batch is created where
one may exist already, the provider's list is searched for it; results are taken in once however often they are read.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from orca_core import UserError
from orca_core.responses import ResponseLog
from orca_litellm.batch.files import Batch, State, sync, sync_directory
from orca_litellm.batch.provider import Provider
from orca_litellm.batch.remote import FullError, RefusedError, RemoteBatch, Status, UnsureError
from orca_litellm.batch.results import ReadReply, Results, Taker

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 60.0
GROWTH: Final = 1.5
"""Of the pause between two looks at a batch."""
LAG_S: Final = 10.0
"""A batch that was asked for so long ago is in the provider's list, if it was created."""
CREATIONS: Final = 5
"""Attempts to create a batch, each after the last one is known to have created none."""


class Pause:
    """Pauses that grow, from ``FIRST_PAUSE_S`` to ``LONGEST_PAUSE_S``."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_S

    def until(self) -> float:
        """When the next one is over (monotonic seconds)."""
        pause, self._next = self._next, min(LONGEST_PAUSE_S, self._next * GROWTH)
        return time.monotonic() + pause


@dataclass
class Running:
    """A batch on its way, and when to look at it next (monotonic seconds)."""

    batch: Batch
    adopted: bool = False
    unsure: bool = False
    """The provider may have created it without our knowing."""
    due: float = 0.0
    pause: Pause = field(default_factory=Pause)
    attempts: int = 0
    done: int = 0
    """Requests that the provider is done with, by its own account."""

    def later(self) -> None:
        """Look again after a pause that grows."""
        self.due = self.pause.until()

    def doubt(self) -> None:
        """Look for it in the provider's list, once it must be there."""
        self.unsure, self.due = True, time.monotonic() + LAG_S


class Steps:
    """Moves batches on.

    Args:
        connect: makes the border to the provider, when it is first needed.
        log: takes the replies.
        model: under whose name they are logged.
        read: makes a reply of a chat completion.
        wait: carries out a coroutine.
        submits: whether batches that were never submitted are; otherwise they are dissolved.
    """

    def __init__(
        self,
        connect: Callable[[], Provider],
        log: ResponseLog,
        model: str,
        read: ReadReply,
        wait: Callable[[Coroutine[Any, Any, Results]], Results],
        *,
        submits: bool = True,
    ) -> None:
        self._submits = submits
        self._connect, self._log, self._model, self._read, self._wait = connect, log, model, read, wait

    @functools.cached_property
    def _provider(self) -> Provider:
        return self._connect()

    def advance(self, running: Running) -> Results | None:
        """As many steps as go without waiting; the results once the batch is settled.

        Raises:
            FullError: too much is enqueued at the provider. The batch can be created later.
            UserError: the provider does not take it; then the batch is dissolved. Or it cannot be reached.
        """
        while running.due <= time.monotonic():
            try:
                if (results := self._step(running)) is not None:
                    return results
            except RefusedError as error:
                batch = running.batch
                if batch.state in (State.PREPARED, State.UPLOADED) and not running.unsure:
                    batch.dissolve()
                elif batch.state is State.CREATED and error.missing:
                    raise UserError(
                        f"{error.reason}. Batch {batch.data['id']} or its results are not to be found there with this key: use the "
                        f"one it was created with, or delete {batch.directory} to give its {batch.requests:,} requests up: "
                        "they count as maybe billed and are asked again"
                    ) from None
                raise
        return None

    def _step(self, running: Running) -> Results | None:
        batch = running.batch
        match batch.state:
            case State.UPLOADED if running.unsure:
                self._look(running)
            case State.PREPARED | State.UPLOADED if not self._submits:
                batch.dissolve()
                return Results()
            case State.PREPARED:
                batch.save(State.UPLOADED, file=self._provider.upload(batch.input), past=[])
            case State.UPLOADED:
                self._create(running)
            case State.CREATED:
                self._poll(running)
            case State.ENDED:
                results = self._wait(Taker(self._log, batch, self._model, self._read).take())
                batch.settle()
                return results
        return None

    def _create(self, running: Running) -> None:
        batch = running.batch
        try:
            batch.save(State.CREATED, id=self._provider.create(batch.data["file"], batch.name))
        except UnsureError as error:
            running.attempts += 1
            if running.attempts >= CREATIONS:
                raise UserError(
                    f"no batch could be created in {CREATIONS} attempts, the last time: {error}. "
                    "Nothing is lost: the same command goes on from there"
                ) from None
            running.doubt()

    def _look(self, running: Running) -> None:
        data = running.batch.data
        found = self._provider.find(data["file"], running.batch.name, data["at"])
        running.unsure = False
        for remote in found:
            if remote.id not in data["past"]:
                running.batch.save(State.CREATED, id=remote.id)
                return

    def _poll(self, running: Running) -> None:
        batch = running.batch
        remote = self._provider.poll(batch.data["id"])
        running.done = remote.done
        match remote.status:
            case Status.RUNNING:
                running.later()
            case Status.ENDED:
                self._fetch(batch, remote)
            case Status.FULL:
                batch.save(State.UPLOADED, past=[*batch.data["past"], remote.id])
                raise FullError(*remote.problems)
            case Status.FAILED:
                batch.dissolve()
                raise UserError(
                    f"the provider found a batch of {batch.requests:,} requests invalid: "
                    f"{'; '.join(remote.problems) or 'it does not say why'}. Nothing of it was worked on or billed"
                )

    def _fetch(self, batch: Batch, remote: RemoteBatch) -> None:
        """Bring the results onto our disk; they stay there whatever the provider does with its own."""
        names = []
        for kind, file in remote.files.items():
            path = batch.directory / f"{kind}.jsonl"
            partial = path.with_suffix(".part")
            self._provider.download(file, partial)
            with partial.open("rb") as whole:
                sync(whole)
            partial.replace(path)
            names.append(path.name)
        sync_directory(batch.directory)
        batch.save(State.ENDED, results=names, status=remote.word)
