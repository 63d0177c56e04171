"""Examples as one flat run of tokens, in memory or mapped from a directory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from orca_core.errors import UserError

_FACTS = "facts.json"


@dataclass(frozen=True)
class Corpus:
    """Example ``i`` is ``ids[starts[i]:starts[i + 1]]``; of its tokens, those marked ``supervised`` count in the loss."""

    ids: npt.NDArray[np.integer]
    """``[tokens]``: unsigned 16-bit numbers where the vocabulary allows, else 32-bit ones."""
    supervised: npt.NDArray[np.bool_]
    """``[tokens]``: responses with their end tokens, earlier ones of a conversation too. Never the first token of an example,
    which nothing predicts."""
    starts: npt.NDArray[np.int64]
    """``[examples + 1]``."""
    targets: npt.NDArray[np.int64]
    """Supervised tokens of each example, ``[examples]``."""
    sources: npt.NDArray[np.int64]
    """The number that each example had before too long ones were left out, ``[examples]``."""
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

    @classmethod
    def open(cls, path: Path) -> Corpus:
        """The corpus of a directory, its tokens mapped into memory, not read.

        Raises:
            UserError: files of it are missing or cut off.
        """
        try:
            facts = json.loads((path / _FACTS).read_text())
            ids = np.memmap(path / "ids.bin", facts["dtype"], "r")
            supervised = np.memmap(path / "supervised.bin", np.bool_, "r")
            starts, targets, sources = (np.load(path / f"{name}.npy") for name in ("starts", "targets", "sources"))
        except (OSError, ValueError) as error:
            raise UserError(
                f"the tokens in {path.resolve()} cannot be read ({error}); delete this directory"
            ) from error
        if not len(ids) == len(supervised) == starts[-1]:
            raise UserError(f"the tokens in {path.resolve()} are cut off; delete this directory")
        return cls(ids, supervised, starts, targets, sources, facts["truncated"], facts["dropped"])


class CorpusWriter:
    """Writes the directory of a corpus, example by example; ``facts.json``, written last, tells that it is whole.

    Args:
        path: the directory, which is made.
        vocabulary: tokens of the tokenizer.
    """

    def __init__(self, path: Path, vocabulary: int) -> None:
        path.mkdir(parents=True)
        self.path = path
        self.dtype = np.dtype(np.uint16 if vocabulary <= 1 << 16 else np.int32)
        self.ids, self.supervised = (path / "ids.bin").open("wb"), (path / "supervised.bin").open("wb")
        self.lengths, self.targets, self.sources = array("q"), array("q"), array("q")

    def add(self, prompt: Sequence[int], response: Sequence[int], learnt: Sequence[bool] = (), *, source: int) -> None:
        """Example number ``source``: all of its response counts, and what of its prompt is ``learnt``, but never a first token."""
        ids = np.array([*prompt, *response], dtype=self.dtype)
        supervised = np.arange(len(ids)) >= len(prompt)
        supervised[: len(learnt)] |= np.array(learnt, dtype=np.bool_)
        supervised[0] = False
        self.ids.write(ids.tobytes())
        self.supervised.write(supervised.tobytes())
        self.lengths.append(len(ids))
        self.targets.append(int(supervised.sum()))
        self.sources.append(source)

    def close(self, *, truncated: int, dropped: int) -> None:
        """Finish the directory."""
        for file in (self.ids, self.supervised):
            file.close()
        lengths = np.array(self.lengths, dtype=np.int64)
        np.save(self.path / "starts.npy", np.concatenate([[0], np.cumsum(lengths)]))
        for name, numbers in (("targets", self.targets), ("sources", self.sources)):
            np.save(self.path / f"{name}.npy", np.array(numbers, dtype=np.int64))
        facts = {"dtype": self.dtype.name, "truncated": truncated, "dropped": dropped}
        (self.path / _FACTS).write_text(json.dumps(facts))
