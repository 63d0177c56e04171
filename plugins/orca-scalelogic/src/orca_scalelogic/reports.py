"""Learning curves out of finished runs: points (optimizer steps, held-out accuracy) of the curve of each cell.

A cell is what is trained on (tier, greatest depth, curriculum or not), how, and with which seed. The student ``grpo`` measures while
it trains, so that one run is a whole curve; a run of another student is one point, and runs of a cell differ in how long they train.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple
from typing import Literal as OneOf

import numpy as np

from orca_core.errors import DataError, UserError
from orca_scalelogic.logic import TIERS
from orca_scalelogic.sampler import CURRICULUM, SAMPLER
from orca_scalelogic.scaling import Floats, steps_to_threshold

Order = OneOf["uniform", "curriculum"]
_ORDERS: Final[dict[str, Order]] = {SAMPLER.name: "uniform", CURRICULUM.name: "curriculum"}


class Kind(NamedTuple):
    """What a table is of."""

    tier: str
    method: str
    """The objective of the student ``grpo``, or the name of another student."""
    order: Order


class Cell(NamedTuple):
    """What a curve is of."""

    kind: Kind
    depth: int
    seed: int


class Point(NamedTuple):
    """How long a cell was trained, and its accuracy on questions of all its depths."""

    cell: Cell
    step: float
    accuracy: float
    questions: int


@dataclass(frozen=True, slots=True)
class Grid:
    """T of one tier, trained in one way and order: ``[depths, seeds]``, NaN where no run reached the threshold."""

    kind: Kind
    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: Floats
    best: Floats
    """The greatest accuracy measured, ``[depths, seeds]``, NaN where nothing was run."""
    questions: tuple[int, int]
    """Least and most that an accuracy was measured on."""

    def at(self, depths: Sequence[int], seeds: Sequence[int]) -> Floats:
        """T of some of its depths and seeds."""
        rows, columns = [self.depths.index(depth) for depth in depths], [self.seeds.index(seed) for seed in seeds]
        return self.steps[np.ix_(rows, columns)]


def read_points(directories: Iterable[Path]) -> tuple[list[Point], int, Counter[str]]:
    """The points of all runs below some directories, how many runs they are of, and why others were left out.

    Raises:
        UserError: no directory of that name, or no run in any.
        DataError: a report that is no JSON.
    """
    points: list[Point] = []
    left_out: Counter[str] = Counter()
    files: list[Path] = []
    for directory in directories:
        if not directory.is_dir():
            raise UserError(f"{directory}: no such directory; give the directory of a run or of a sweep")
        files += sorted(directory.rglob("report.json"))
    if not files:
        raise UserError("no report.json below the given directories; is there a finished run?")
    for file in files:
        found = _points(_read(file))
        if isinstance(found, str):
            left_out[found] += 1
        else:
            points += found
    return points, len(files) - left_out.total(), left_out


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(file, f"not JSON: {error.msg}", line=error.lineno) from None


def _points(report: Mapping[str, Any]) -> list[Point] | str:
    """The points of a run's report, or why it has none."""
    phases, seed = report["config"]["curriculum"], report["config"]["seed"]
    name, last = list(phases.items())[-1]
    student = report["config"]["student"] | last.get("student", {})
    measured = student["name"] == "grpo"
    # what came before the phase that was measured is where it starts, the same for all
    found = _trained_on([phase["sampler"] for phase in ([last] if measured else phases.values())])
    if isinstance(found, str):
        return found
    tier, depth, order = found
    if not measured:
        return _point(report, Cell(Kind(tier, student["name"], order), depth, seed))
    cell = Cell(Kind(tier, student["objective"], "curriculum" if student["levels"] else order), depth, seed)
    curves = [curve["points"] for curve in report["curves"] if curve["phase"] == name]
    # the measurement at step 0 is of the model before
    lines = [line for points in curves for line in points if line.get("accuracy") is not None and line["step"]]
    points = [Point(cell, line["step"], line["accuracy"], int(line["questions"])) for line in lines]
    return points or "not measured while it trained: set student.validation.share"


def _trained_on(samplers: Sequence[Mapping[str, Any]]) -> tuple[str, int, Order] | str:
    """(tier, greatest depth, order), or why these samplers belong to no cell."""
    orders = {_ORDERS.get(sampler["name"]) for sampler in samplers}
    if len(orders) != 1 or (order := orders.pop()) is None:
        return "not trained on scalelogic alone"
    trained = {(tuple(sampler["tiers"]), sampler["depths"][1]) for sampler in samplers}
    tiers, depth = trained.pop()
    if trained or len(tiers) != 1:
        return "trained on several tiers or depths, so that no cell is its own"
    return tiers[0], depth, order


def _point(report: Mapping[str, Any], cell: Cell) -> list[Point] | str:
    """The only point of a run that was measured by an evaluator, when it was over."""
    evaluators = report["config"]["evaluator"].items()
    names = {name for name, evaluator in evaluators if evaluator["name"] == "scalelogic"}
    wanted = {f"{cell.kind.tier}-d{d}" for d in range(1, cell.depth + 1)}
    scores = [s for s in report["scores"] if s["subject"] == "student" and s["evaluator"] in names]
    rows = [score for score in scores if score["task"] in wanted]
    if len(rows) < len(wanted):
        return "not evaluated on every depth that it was trained on"
    # Phases follow one another, and each counts its own steps.
    step = sum(curve["points"][-1]["step"] for curve in report["curves"])
    accuracy, questions = fmean(row["value"] for row in rows), sum(row["n"] for row in rows)
    return [Point(cell, step, accuracy, questions)] if step else "not trained"


def grids(points: Iterable[Point], threshold: float) -> list[Grid]:
    """Steps to the threshold by method, tier and order; of a grid's depths and seeds, what was not run counts as censored."""
    curves: dict[Cell, list[Point]] = {}
    for point in points:
        curves.setdefault(point.cell, []).append(point)
    kinds = {cell.kind for cell in curves}
    ranked = sorted(
        kinds, key=lambda kind: (kind.method != "sft", kind.method, TIERS.index(kind.tier), kind.order != "uniform")
    )
    return [_grid(curves, kind, threshold) for kind in ranked]


def _grid(curves: Mapping[Cell, list[Point]], kind: Kind, threshold: float) -> Grid:
    cells = [cell for cell in curves if cell.kind == kind]
    depths, seeds = sorted({cell.depth for cell in cells}), sorted({cell.seed for cell in cells})
    rows = [[curves.get(Cell(kind, depth, seed), []) for seed in seeds] for depth in depths]
    steps = [[steps_to_threshold([(p.step, p.accuracy) for p in curve], threshold) for curve in row] for row in rows]
    best = [[max((point.accuracy for point in curve), default=np.nan) for curve in row] for row in rows]
    asked = [point.questions for row in rows for curve in row for point in curve]
    return Grid(kind, tuple(depths), tuple(seeds), np.array(steps), np.array(best), (min(asked), max(asked)))
