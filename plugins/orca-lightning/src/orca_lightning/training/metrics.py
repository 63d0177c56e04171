"""The figures of every step: a line of JSON each, and TensorBoard events where they are wanted."""

from __future__ import annotations

import json
import os
from typing import Any

from orca_core.errors import UserError
from orca_lightning.job import Job


class MetricsLog:
    """Appends to ``metrics.jsonl``, whose first ``keep`` bytes an earlier attempt left; what it wrote beyond is cut off."""

    def __init__(self, job: Job, keep: int) -> None:
        self.file = job.metrics.open("ab", buffering=0)
        self.file.truncate(keep)
        self.events: Any = _events(job) if job.config.tensorboard else None

    def write(self, figures: dict[str, float]) -> None:
        """Add the figures of a step (``step`` among them)."""
        self.file.write(json.dumps(figures).encode() + b"\n")
        if self.events is not None:
            for name in figures.keys() - {"step"}:
                self.events.add_scalar(name, figures[name], global_step=figures["step"])

    def flush(self) -> int:
        """Make it durable; returns the bytes so far."""
        os.fsync(self.file.fileno())
        return os.fstat(self.file.fileno()).st_size

    def close(self) -> None:
        """Write out the events."""
        self.file.close()
        if self.events is not None:
            self.events.close()


def _events(job: Job) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "student.tensorboard=true needs tensorboard: pip install 'orca-lightning[tensorboard]'"
        ) from None
    writer: Any = SummaryWriter
    return writer(str(job.out / "tensorboard"))
