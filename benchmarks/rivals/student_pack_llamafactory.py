"""Packing by LLaMA-Factory's ``greedy_knapsack``, 1,000 examples at a time, its default; loaded by its path, without torch."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import student_common
from student_common import ROW, timed


def packer() -> Any:
    root = importlib.util.find_spec("llamafactory")
    assert root is not None
    assert root.submodule_search_locations is not None
    path = Path(root.submodule_search_locations[0]) / "data/processor/processor_utils.py"
    spec = importlib.util.spec_from_file_location("processor_utils", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module.greedy_knapsack


def work(folder: Path) -> dict[str, Any]:
    lengths, pack = np.load(folder / "lengths.npy").tolist(), packer()
    groups = range(0, len(lengths), 1000)
    figures, rows = timed(lambda: [row for i in groups for row in pack(lengths[i : i + 1000], ROW)])
    return {**figures, "rows": len(rows)}


student_common.main(work)
