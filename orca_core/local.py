"""The executor of a run on one machine."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Final, TypeVar

from orca_core.component import Component, Config
from orca_core.protocols import Executor

T = TypeVar("T")
R = TypeVar("R")


class LocalConfig(Config):
    """Asks and answers in this process."""


class LocalExecutor:
    """One worker: this process. Nothing is divided."""

    workers = 1

    def map(self, function: Callable[[T], R], tasks: Sequence[T]) -> Generator[R, None, None]:
        """One task after the other."""
        yield from map(function, tasks)


LOCAL: Final = Component[LocalConfig, Executor]("local", LocalConfig, lambda config, context: LocalExecutor())
