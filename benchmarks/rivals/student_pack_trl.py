"""Packing by TRL's ``pack_dataset``: best-fit decreasing within each 1,000 examples, its default; it moves the tokens as it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import student_common
from datasets import Dataset, disable_progress_bars
from student_common import ROW, timed
from trl import pack_dataset


def work(folder: Path) -> dict[str, Any]:
    disable_progress_bars()
    lengths = np.load(folder / "lengths.npy")
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    tokens = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.zeros(offsets[-1], dtype=np.int32)))
    dataset = Dataset(pa.table({"input_ids": tokens}))
    figures, packed = timed(lambda: pack_dataset(dataset, ROW, strategy="bfd"))
    return {**figures, "rows": len(packed)}


student_common.main(work)
