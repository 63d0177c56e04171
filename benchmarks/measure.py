"""Runs a process, or a server beside it, and tells what it used. Linux alone: the figures come from wait4 and /proc."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

TICK: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
SAMPLE_S: Final = 0.05
"""Between two looks at the memory of a process and its children."""


def split_cores() -> tuple[Set[int], Set[int]]:
    """The cores of the server and of the client: the first, and the others; the same one where there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, set(cores[1:]) or {cores[0]}


@dataclass(frozen=True)
class Usage:
    """What a process took, its children included."""

    status: int | None
    """Exit status; None: it ran past its time and was ended."""
    wall_s: float
    cpu_s: float
    """User and system."""
    peak_rss_mb: float
    """Highest sum of the resident memory of the process and its children (what they share is counted for each)."""


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], cores: Set[int], timeout: float) -> Usage:
    """Run a command in ``cwd``; what it prints goes to ``cwd/output.txt``."""
    start = time.perf_counter()
    with (cwd / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    try:
        late, status, used, peak = _watch(process.pid, start + timeout)
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return Usage(
        status=None if late else process.returncode,
        wall_s=time.perf_counter() - start,
        cpu_s=used.ru_utime + used.ru_stime,
        peak_rss_mb=max(peak, used.ru_maxrss * 1024 / 1e6),
    )


def _watch(pid: int, deadline: float) -> tuple[bool, int, resource.struct_rusage, float]:
    """Wait for a process, or end it: (whether it was ended, its status, what it used, the peak of its memory in MB)."""
    peak, late = 0.0, False
    while True:
        ended, status, used = os.wait4(pid, os.WNOHANG)
        if ended:
            return late, status, used, peak
        peak = max(peak, sum(map(_resident_mb, _tree(pid))))
        if not late and time.perf_counter() > deadline:
            late = True
            os.killpg(pid, signal.SIGKILL)
        time.sleep(SAMPLE_S)


def _tree(pid: int) -> Iterator[int]:
    """A process and all below it; those that end meanwhile are left out."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            below = children.read_text().split()
        except OSError:
            continue
        for child in below:
            yield from _tree(int(child))


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
    except OSError:
        return 0.0


WORDS: Final = 125
"""Of a reply: 1 KB."""


class Server:
    """The fake OpenAI-compatible server in a process of its own.

    Args:
        latency: seconds that a reply takes.
        cores: what it may run on.
    """

    def __init__(self, latency: float, cores: Set[int]) -> None:
        options = ["--latency", str(latency), "--words", str(WORDS)]
        self._command = [sys.executable, "-m", "orca_core.testing.server", *options]
        self._cores = cores

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, self._cores),
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        """The ``api_base``."""
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def requests(self) -> int:
        """Chat requests so far."""
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as response:
            counts: dict[str, Any] = json.load(response)
        return int(counts["asked"])

    @property
    def cpu_s(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK
