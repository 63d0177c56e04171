"""The machine that this process runs on, without torch: what memory is free, and what its matrix products reach."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from orca_core.errors import UserError
from orca_lightning.config import LightningConfig
from orca_lightning.costs.machines import CARDS, GB, Machine, machine


def this_machine(config: LightningConfig) -> Machine:
    """The GPUs that ``nvidia-smi`` lists, as many as are to be used, else the CPU with its free memory and measured rate.

    Raises:
        UserError: the GPU is not among the cards whose rate is known.
    """
    cards = _cards()
    if cards:
        name, free = cards[0]
        known = machine(f"{config.devices}x{_card(name)}-{round(free / GB)}GB", config.precision)
        return Machine(known.name, config.devices * config.nodes, free, known.flops)
    rate = cpu_flops() * _share(config)
    return Machine("this machine's CPU", config.devices, free_memory(), rate, is_cpu=True, measured=True)


def _share(config: LightningConfig) -> float:
    """How many of the cores that :func:`cpu_flops` used one process will have."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    used = int(os.environ.get("OMP_NUM_THREADS") or cores)
    return min(config.threads or used, cores / config.devices) / used


def _cards() -> list[tuple[str, float]]:
    """(name, free bytes) of each NVIDIA card."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    told = subprocess.run(query, capture_output=True, text=True, check=False)
    rows = [line.rsplit(",", 1) for line in told.stdout.splitlines() if "," in line]
    return [(name, float(mib) * 2**20) for name, mib in rows]


def _card(name: str) -> str:
    """The listed card in a name such as ``NVIDIA GeForce RTX 4090``.

    Raises:
        UserError: there is none.
    """
    words: list[str] = re.findall(r"[A-Z0-9]+", name.upper())
    for word in [*map("".join, pairwise(words)), *words]:
        if word in CARDS:
            return word
    raise UserError(
        f"this machine's GPU '{name.strip()}' is not among the cards whose rate is known ({', '.join(CARDS)}); name the one "
        "that comes nearest, e.g. student.machines=[1xA100-80GB]"
    )


def free_memory() -> float:
    """Bytes that a process may still take: what the kernel says is available, within the limit of its control group."""
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        facts = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        available = int(facts["MemAvailable"].split()[0]) * 1024
    group = Path("/sys/fs/cgroup")
    limit, used = (_number(group / name) for name in ("memory.max", "memory.current"))
    return float(available if limit is None or used is None else min(available, max(0, limit - used)))


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def cpu_flops(seconds: float = 0.2) -> float:
    """FLOPs a second of float32 matrix products on all cores (``OMP_NUM_THREADS`` of them), measured for a moment."""
    import numpy as np

    size = 768
    a = np.ones((size, size), dtype=np.float32)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or not best:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best
