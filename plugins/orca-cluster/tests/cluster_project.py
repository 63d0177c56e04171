"""The toy project with the teacher that keeps a log, and how to meddle with its workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toy_project import TOY, TOY_RUN

from orca_core.testing.project import Project

SESSION = "ORCA_TEST_SESSION"
"""Variable that tells the workers of this test session from those of others."""
LOGGED = Path(__file__).with_name("logged.py").read_text()
LOGGED_RUN = (*(line for line in TOY_RUN if not line.startswith("teacher")), "teacher=logged", "subjects=[student]")


def cluster_project(root: Path) -> Project:
    """A project with both plugins."""
    project = Project(root)
    project.plugin("toy", TOY)
    project.plugin("logged", LOGGED, distribution="orca-logged")
    return project


def workers_on_ray() -> list[int]:
    """The processes that Ray has at work for this session."""
    mark = f"{SESSION}={os.environ[SESSION]}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::attempt" in (process / "cmdline").read_bytes() and mark in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:  # it has ended meanwhile
            continue
    return found


@contextmanager
def meanwhile(condition: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Act as soon as the condition holds, beside the block, which fails if that never came."""
    done, acted = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            if condition():
                act()
                acted.set()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert acted.is_set(), "it never came to that"
