"""The machine that this process runs on, without torch: what memory is free, and what its matrix products reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from orca_lightning.config import LightningConfig
from orca_lightning.costs.machines import GB, Machine, machine


def this_machine(config: LightningConfig) -> Machine:
    """The GPUs that ``nvidia-smi`` lists, as many as are to be used, else the CPU with its free memory and measured rate."""
    cards = _cards()
    if cards:
        name, free = cards[0]
        try:
            known = machine(f"{config.devices}x{name}-{round(free / GB)}GB", config.precision)
            return Machine(known.name, config.devices * config.nodes, free, known.flops)
        except ValueError:
            pass
    return Machine("this machine's CPU", config.devices, free_memory(), cpu_flops(config), is_cpu=True, measured=True)


def _cards() -> list[tuple[str, float]]:
    """(model, free bytes) of each NVIDIA card."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,memory.free", "--format=csv,noheader,nounits"]
    told = subprocess.run(query, capture_output=True, text=True, check=False)
    rows = [line.rsplit(",", 1) for line in told.stdout.splitlines() if "," in line]
    return [(name.replace("NVIDIA", "").split()[0].split("-")[0], float(mib) * 2**20) for name, mib in rows]


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


def cpu_flops(config: LightningConfig, seconds: float = 0.2) -> float:
    """FLOPs a second of float32 matrix products on the cores that are to be used, measured for a moment."""
    import numpy as np

    size = 768
    a = np.ones((size, size), dtype=np.float32)
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end or not best:
        start = time.perf_counter()
        a @ a
        best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best
