"""``python -m orca_infosynth DIRECTORY``: did the bits, measured before, order what became of a sweep's loops?

Reads the report.json of every job of ``orca run -m +experiment=citing/infosynth`` and prints a Markdown table.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

from orca_core import UserError
from orca_infosynth.evaluator import OPEN_BITS

BEFORE: Final = "loop"
"""The subject that is the student before the phase of this name."""
APART: Final = 0.02
"""Bits that make a difference."""
HEAD: Final = "| signal | bits per sample, before | called open | accuracy before | after | gain, by seed |"


class Loop(NamedTuple):
    """One loop of one seed."""

    signal: str
    seed: int
    bits: float
    note: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """What became of the loop."""
        return self.after - self.before


def read(directory: Path) -> list[Loop]:
    """The finished jobs of a sweep.

    Raises:
        UserError: there are none.
    """
    reports = [json.loads(path.read_text()) for path in sorted(directory.glob("*/report.json"))]
    if not reports:
        raise UserError(
            f"{directory}: holds no finished job of a sweep; orca run -m +experiment=citing/infosynth makes some"
        )
    return [_loop(report) for report in reports]


def _loop(report: dict[str, Any]) -> Loop:
    rows = {(row["subject"], row["metric"]): row for row in report["scores"] if row["task"] != "average"}
    choices = dict(override.lstrip("+").split("=", 1) for override in report["overrides"])
    bits = rows[BEFORE, OPEN_BITS]
    accuracy = [rows[subject, "accuracy"]["value"] for subject in (BEFORE, "student")]
    return Loop(choices["loop"], report["config"]["seed"], bits["value"], bits["note"], *accuracy)


def ordered(loops: Sequence[Loop], apart: float = APART) -> tuple[int, int]:
    """Of the pairs of loops of one seed whose bits lie further apart: how many does the gain order alike, and how many are there."""
    pairs = [(a, b) for a, b in combinations(loops, 2) if a.seed == b.seed and abs(a.bits - b.bits) > apart]
    return sum((a.bits - b.bits) * (a.gain - b.gain) > 0 for a, b in pairs), len(pairs)


def table(loops: Sequence[Loop]) -> str:
    """Signals by their bits, means over seeds; gains in points, seed by seed."""
    by_signal: dict[str, list[Loop]] = defaultdict(list)
    for loop in sorted(loops, key=lambda loop: loop.seed):
        by_signal[loop.signal].append(loop)
    lines = [HEAD, "|---|---|---|---|---|---|"]
    for signal, of in sorted(by_signal.items(), key=lambda item: fmean(loop.bits for loop in item[1])):
        bits, before, after = (fmean(getattr(loop, name) for loop in of) for name in ("bits", "before", "after"))
        each = ", ".join(f"{100 * loop.gain:+.1f}" for loop in of)
        called = sum(loop.note.startswith("open") for loop in of)
        lines.append(
            f"| {signal} | {bits:.3f} | {called} of {len(of)} | {100 * before:.1f} | {100 * after:.1f} | "
            f"**{100 * (after - before):+.1f}** ({each}) |"
        )
    alike, pairs = ordered(loops)
    said = f"Of the pairs of loops of one seed whose bits differ by more than {APART}, {alike} of {pairs} are ordered alike by gain."
    return "\n".join([*lines, "", said])


if __name__ == "__main__":
    try:
        print(table(read(Path(sys.argv[1] if len(sys.argv) > 1 else "."))))
    except UserError as error:
        raise SystemExit(f"{error}") from None
