"""Examples as one flat run of tokens, in memory or mapped from a directory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Corpus:
    """Example ``i`` is ``ids[starts[i]:starts[i + 1]]``; of its tokens, those marked ``supervised`` count in the loss."""

    ids: npt.NDArray[np.integer]
    """``[tokens]``: unsigned 16-bit numbers where the vocabulary allows, else 32-bit ones."""
    supervised: npt.NDArray[np.bool_]
    """``[tokens]``: responses with their end tokens. Never the first token of an example, which nothing predicts."""
    starts: npt.NDArray[np.int64]
    """``[examples + 1]``."""
    targets: npt.NDArray[np.int64]
    """Supervised tokens of each example, ``[examples]``."""
    truncated: int = 0
    """Examples that lost the beginning of their prompt."""
    dropped: int = 0
    """Examples left out because they are too long."""

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each example, ``[examples]``."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.targets)

    def save(self, path: Path) -> None:
        """Write a directory that :meth:`open` maps; ``facts.json``, written last, tells that it is whole."""
        path.mkdir(parents=True, exist_ok=True)
        for name in ("ids", "supervised", "starts", "targets"):
            np.save(path / f"{name}.npy", getattr(self, name))
        (path / "facts.json").write_text(json.dumps({"truncated": self.truncated, "dropped": self.dropped}))

    @classmethod
    def open(cls, path: Path) -> Corpus:
        """The corpus of a directory, its tokens mapped into memory, not read."""
        facts = json.loads((path / "facts.json").read_text())
        ids, supervised = (np.load(path / f"{name}.npy", mmap_mode="r") for name in ("ids", "supervised"))
        starts, targets = (np.load(path / f"{name}.npy") for name in ("starts", "targets"))
        return cls(ids, supervised, starts, targets, **facts)
