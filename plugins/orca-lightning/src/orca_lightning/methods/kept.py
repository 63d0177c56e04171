"""What a method works out once in a while and trains on for some steps: on the disk before anything is trained on it.

It is a function of the weights at the step that it was made at, which a resumed training no longer has.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]


def kept(path: Path, make: Callable[[], Arrays]) -> Arrays:
    """The arrays of a file, made if it is not there; it has its name only when it is whole."""
    if not path.exists():
        arrays = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}")
        with temporary.open("wb") as file:
            np.savez(file, **dict[str, Any](arrays))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    with np.load(path) as saved:
        return dict(saved)
