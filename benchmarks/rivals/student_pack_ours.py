"""Packing by orca-lightning: an index plan, drawn anew for each epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import student_common
from orca_lightning.training.packing import pack
from student_common import ROW, timed


def work(folder: Path) -> dict[str, Any]:
    lengths = np.load(folder / "lengths.npy")
    figures, rows = timed(lambda: pack(lengths, ROW, np.random.default_rng(0)))
    return {**figures, "rows": len(rows)}


student_common.main(work)
