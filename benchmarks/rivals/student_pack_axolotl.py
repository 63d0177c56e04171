"""Packing by axolotl's ``pack_parallel`` with its defaults (groups of 100,000, rows of 200 examples), compiled beforehand.

Its module is loaded by its path: importing the package would ask for all that axolotl trains with.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import student_common
from student_common import ROW, timed


def packer() -> Any:
    for name in ("torch", "torch.utils", "torch.utils.data", "axolotl.utils.distributed", "axolotl.utils.logging"):
        sys.modules[name] = MagicMock()
    sys.modules["torch.utils.data"].BatchSampler = object  # its sampler derives from it
    root = importlib.util.find_spec("axolotl")
    assert root is not None
    assert root.submodule_search_locations is not None
    path = Path(root.submodule_search_locations[0]) / "utils/samplers/multipack.py"
    spec = importlib.util.spec_from_file_location("multipack", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pack_parallel


def work(folder: Path) -> dict[str, Any]:
    lengths, pack = np.load(folder / "lengths.npy"), packer()
    pack(lengths[:1000], ROW, 100_000, 200, num_processes=1)
    figures, rows = timed(lambda: pack(lengths, ROW, 100_000, 200, num_processes=1))
    return {**figures, "rows": len(rows)}


student_common.main(work)
