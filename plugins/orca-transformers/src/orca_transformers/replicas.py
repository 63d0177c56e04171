"""Copies of the model, one a device: the only one in this process, several in processes of their own.

Decoding keeps a CPU core busy with Python for each device, so threads would hold each other up.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Protocol

from orca_core.errors import OrcaError, UserError
from orca_transformers.batching import Answer, Job
from orca_transformers.config import TransformersConfig

READY = "ready"


class Replicas(Protocol):
    """Whoever answers batches."""

    def run(self, batches: Iterable[list[Job]]) -> Iterator[Answer]:
        """Answers, each as its batch ends; batches are pulled when somebody is free."""
        ...


def start(config: TransformersConfig, devices: Sequence[str | None]) -> Replicas:
    """Load a copy of the model on each device.

    Raises:
        UserError: it cannot be loaded.
    """
    return _Inside(config, devices[0]) if len(devices) == 1 else _Processes(config, devices)


class _Inside:
    def __init__(self, config: TransformersConfig, device: str | None) -> None:
        from orca_transformers.engine import Engine

        self.engine = Engine(config, device)

    def run(self, batches: Iterable[list[Job]]) -> Iterator[Answer]:
        for batch in batches:
            yield from self.engine.answer(batch)


class _Processes:
    """Worker processes; one that dies, or a run that is closed before its end, ends them all, and the next run begins anew."""

    def __init__(self, config: TransformersConfig, devices: Sequence[str | None]) -> None:
        self.config, self.devices = config, devices
        self.workers: dict[Connection, BaseProcess] = {}
        self._load()

    def run(self, batches: Iterable[list[Job]]) -> Iterator[Answer]:
        self._load()
        source = iter(batches)
        try:
            busy = {worker for worker in self.workers if self._send(worker, source)}
            while busy:
                for worker in _ready(busy):
                    answers = self._receive(worker)
                    if not self._send(worker, source):
                        busy.discard(worker)
                    yield from answers
        except BaseException:
            self._stop()
            raise

    def _load(self) -> None:
        if self.workers:
            return
        context = multiprocessing.get_context("spawn")
        for device in self.devices:
            ours, theirs = context.Pipe()
            worker = context.Process(
                target=_work, args=(theirs, self.config, device), daemon=True, name=f"orca {device}"
            )
            worker.start()
            theirs.close()
            self.workers[ours] = worker
        try:
            for connection in self.workers:
                self._receive(connection)
        except BaseException:
            self._stop()
            raise

    def _send(self, connection: Connection, batches: Iterator[list[Job]]) -> bool:
        """Give a worker its next batch; False: there is none."""
        batch = next(batches, None)
        if batch is not None:
            with self._alive(connection):
                connection.send(batch)
        return batch is not None

    def _receive(self, connection: Connection) -> list[Answer]:
        with self._alive(connection):
            message = connection.recv()
        if isinstance(message, Exception):
            raise message
        return [] if message == READY else list(message)

    @contextmanager
    def _alive(self, connection: Connection) -> Iterator[None]:
        """A closed pipe told as what it is."""
        try:
            yield
        except (EOFError, ConnectionError):
            worker = self.workers[connection]
            worker.join()
            raise OrcaError(
                f"the worker {worker.name} died (exit code {worker.exitcode}; -9 is often the system short of memory)"
            ) from None

    def _stop(self) -> None:
        for connection, worker in self.workers.items():
            worker.kill()
            worker.join()
            connection.close()
        self.workers.clear()


def _ready(workers: Iterable[Connection]) -> list[Connection]:
    """Those that have something to say; waits until one has."""
    return [each for each in wait(list(workers)) if isinstance(each, Connection)]


def _work(connection: Connection, config: TransformersConfig, device: str | None) -> None:
    """The worker process: answers one batch after the other until the parent closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the workers
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        from orca_transformers.engine import Engine

        engine = Engine(config, device)
        connection.send(READY)
        while True:
            connection.send(list(engine.answer(connection.recv())))
    except EOFError:
        return
    except UserError as error:
        connection.send(error)
    except Exception as error:
        connection.send(OrcaError(f"on {device}: {error}\n{traceback.format_exc()}"))


def _follow_parent() -> None:
    """End with the parent, however it ended, in the middle of a batch too: the device is needed by others."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
