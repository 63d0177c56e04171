"""Progress for people: a bar with rate and time left on a terminal, a log line every ten seconds elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from orca_core.component import ProgressFn

log = logging.getLogger("orca")
LOG_EVERY_S = 10.0


@contextmanager
def stage_progress(name: str, unit: str) -> Iterator[ProgressFn]:
    """A reporter for one stage; ``unit`` is what is counted (prompts, steps)."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with _bar(console, name, unit) as report:
            yield report
    else:
        yield _LogLines(name, unit)


@contextmanager
def _bar(console: Any, name: str, unit: str) -> Iterator[ProgressFn]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit + " {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[figures]}", style="dim"),
    )
    start = time.monotonic()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(name, total=None, rate="", figures="")

        def report(done: float, total: float | None = None, **figures: float) -> None:
            rate = f"{done / max(time.monotonic() - start, 1e-9):,.0f}/s"
            progress.update(task, completed=done, total=total, rate=rate, figures=_figures(figures))

        yield report


class _LogLines:
    def __init__(self, name: str, unit: str) -> None:
        self.name, self.unit = name, unit
        self.start = self.last = time.monotonic()

    def __call__(self, done: float, total: float | None = None, **figures: float) -> None:
        now = time.monotonic()
        if now - self.last < LOG_EVERY_S:
            return
        self.last = now
        rate = done / (now - self.start)
        of = f"/{total:,.0f}" if total else ""
        eta = f", ETA {(total - done) / rate:,.0f} s" if total and rate else ""
        log.info("%s: %s%s %s, %.1f/s%s %s", self.name, f"{done:,.0f}", of, self.unit, rate, eta, _figures(figures))


def _figures(figures: dict[str, float]) -> str:
    return " ".join(f"{name} {value:,.4g}" for name, value in figures.items())
