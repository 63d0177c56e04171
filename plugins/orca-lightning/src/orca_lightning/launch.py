"""How the training processes are started: one, several of a machine, or those of several machines by torchrun or Slurm."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from orca_lightning.config import LightningConfig

WORKER: Final = "orca_lightning.training.worker"
WATCH: Final = "ORCA_WATCH_STDIN"
"""Set for processes whose standard input is a pipe that closes when the parent dies."""
ALLOCATOR: Final = {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=134217728:glibc.malloc.trim_threshold=17179869184"}
"""Freed memory is kept for the next step: page faults cost a small model several percent of it. Huge pages give no more, and take
some memory."""


def environment(config: LightningConfig) -> dict[str, str]:
    """The environment of the training processes."""
    threads = {"OMP_NUM_THREADS": str(config.threads)} if config.threads else {}
    return {**ALLOCATOR, **os.environ, **threads, WATCH: "1"}


def command(config: LightningConfig, job: Path) -> list[str]:
    """What this machine runs for the job of a file."""
    if config.nodes > 1 and config.launcher == "srun":
        # inside an allocation; a process that dies takes the others with it
        layout = [f"--nodes={config.nodes}", f"--ntasks-per-node={config.devices}", "--kill-on-bad-exit=1"]
        return ["srun", *layout, sys.executable, "-m", WORKER, str(job)]
    if config.nodes > 1:
        return [sys.executable, *_torchrun(config), "-m", WORKER, str(job)]
    if config.devices > 1:
        alone = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={config.devices}"]
        return [sys.executable, *alone, "-m", WORKER, str(job)]
    return [sys.executable, "-m", WORKER, str(job)]


def other_machines(config: LightningConfig, out: Path) -> str | None:
    """The command that joins a training on several machines, which see the same files; None where nothing is to be run."""
    if config.nodes == 1 or config.launcher == "srun":
        return None
    return shlex.join([sys.executable, *_torchrun(config), "-m", WORKER, str(out.resolve() / "work" / "job.json")])


def _torchrun(config: LightningConfig) -> list[str]:
    return [
        "-m",
        "torch.distributed.run",
        f"--nnodes={config.nodes}",
        f"--nproc-per-node={config.devices}",
        "--rdzv-backend=c10d",
        f"--rdzv-endpoint={config.rendezvous}",
        "--rdzv-id=orca",
    ]
