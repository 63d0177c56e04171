"""Packing by LLaMA-Factory's ``greedy_knapsack``, 1,000 examples at a time, its default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import student_common
from student_common import ROW, module_of, timed


def work(folder: Path) -> dict[str, Any]:
    lengths = np.load(folder / "lengths.npy").tolist()
    pack = module_of("llamafactory", "data/processor/processor_utils.py").greedy_knapsack
    groups = range(0, len(lengths), 1000)
    figures, rows = timed(lambda: [row for i in groups for row in pack(lengths[i : i + 1000], ROW)])
    return {**figures, "rows": len(rows)}


student_common.main(work)
