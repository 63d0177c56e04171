"""Up to which depth questions are asked, step by step; on the disk before it is used, so that a resumed training knows it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from orca_core.errors import UserError
from orca_core.records import Trace
from orca_scalelogic.curriculum import next_upper
from orca_scalelogic.grpo.config import Levels

Ints = npt.NDArray[np.int64]


def depths_of(examples: Iterable[Trace]) -> Ints:
    """The depth of each example's question, ``[examples]``.

    Raises:
        UserError: one has none.
    """
    depths = [example.prompt.query.meta.get("depth") for example in examples]
    if not all(isinstance(depth, int) for depth in depths):
        raise UserError(
            "student.levels goes by the depth of questions (meta['depth']), which some of these do not have; choose "
            "sampler=scalelogic, or student.levels=null"
        )
    return np.array(depths, dtype=np.int64)


class UpperDepth:
    """The greatest depth that is asked about.

    Args:
        path: of its file.
        levels: where it starts, and by how much it grows.
        greatest: where it ends.
    """

    def __init__(self, path: Path, levels: Levels, greatest: int) -> None:
        self.path, self.levels, self.greatest = path, levels, greatest
        saved: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        self.since = {int(step): upper for step, upper in saved.items()} or {0: min(levels.start, greatest)}

    def at(self, step: int) -> int:
        """The upper depth of a step."""
        return self.since[max(first for first in self.since if first <= step)]

    def told(self, step: int, accuracy: float) -> None:
        """Take into account, from ``step`` (1 or later) on, the training accuracy that was measured before it.

        Telling the same again, as a resumed training does, changes nothing.
        """
        before = self.at(step - 1)
        upper = next_upper(before, accuracy, step=self.levels.step, greatest=self.greatest)
        if upper == before:
            return
        self.since[step] = upper
        temporary = self.path.with_name(f".{self.path.name}")
        temporary.write_text(json.dumps(self.since))
        temporary.replace(self.path)
