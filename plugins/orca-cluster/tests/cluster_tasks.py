"""Tasks for executors: importable by the workers, which get this folder on their path."""

from __future__ import annotations

import os
import time
from pathlib import Path

from orca_core.errors import ConfigError, DataError


def square(x: int) -> int:
    return x * x


def meet(directory: Path) -> int:
    """Ends only when another one is at work at the same time."""
    (directory / str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(list(directory.iterdir())) < 2:
        if time.monotonic() > deadline:
            raise TimeoutError("nobody came")
        time.sleep(0.02)
    return os.getpid()


def die_once(marker: Path) -> str:
    """Killed as by the kernel the first time; the second time it carries on from what it left."""
    if marker.exists():
        return marker.read_text()
    marker.write_text("left behind")
    os.kill(os.getpid(), 9)
    raise AssertionError("still alive")


def die(marker: Path) -> None:
    with marker.open("a") as file:
        file.write("x")
    os.kill(os.getpid(), 9)


def fail(kind: str) -> None:
    if kind == "data":
        raise DataError(Path("questions.jsonl"), "no such column", line=7)
    if kind == "config":
        raise ConfigError(["a: wrong", "b: wrong"])
    if kind == "defect":
        raise ZeroDivisionError("a defect")
    if kind == "odd":
        raise OddError("kind", "of")
    time.sleep(60)


class OddError(Exception):
    """Does not survive pickling."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)
