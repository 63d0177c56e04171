"""Packing by axolotl's ``pack_parallel`` with its defaults (groups of 100,000, rows of 200 examples), compiled beforehand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import student_common
from student_common import ROW, module_of, timed


def packer() -> Any:
    for name in ("torch", "torch.utils", "torch.utils.data", "axolotl.utils.distributed", "axolotl.utils.logging"):
        sys.modules[name] = MagicMock()
    sys.modules["torch.utils.data"].BatchSampler = object  # its sampler derives from it
    return module_of("axolotl", "utils/samplers/multipack.py").pack_parallel


def work(folder: Path) -> dict[str, Any]:
    lengths, pack = np.load(folder / "lengths.npy"), packer()
    pack(lengths[:1000], ROW, 100_000, 200, num_processes=1)
    figures, rows = timed(lambda: pack(lengths, ROW, 100_000, 200, num_processes=1))
    return {**figures, "rows": len(rows)}


student_common.main(work)
