"""Learning curves out of finished runs: each run is a point (optimizer steps, held-out accuracy) of the curve of its cell.

A cell is what is trained on (tier, greatest depth, curriculum or not) with a seed; its runs differ in how long they train.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
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


class Cell(NamedTuple):
    """What a curve is of."""

    tier: str
    order: Order
    depth: int
    seed: int


class Point(NamedTuple):
    """A run: how long it trained, and its accuracy, averaged over the depths up to the cell's."""

    cell: Cell
    step: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Grid:
    """T of one tier, trained in one order: ``[depths, seeds]``, NaN where no run reached the threshold."""

    tier: str
    order: Order
    depths: tuple[int, ...]
    seeds: tuple[int, ...]
    steps: Floats


def read_points(directories: Iterable[Path]) -> tuple[list[Point], Counter[str]]:
    """The points of all runs below some directories, and why runs were left out.

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
        found = _point(_read(file))
        if isinstance(found, Point):
            points.append(found)
        else:
            left_out[found] += 1
    return points, left_out


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DataError(file, f"not JSON: {error.msg}", line=error.lineno) from None


def _point(report: Mapping[str, Any]) -> Point | str:
    """The point of a run's report, or why it is none."""
    config = report["config"]
    samplers = [phase["sampler"] for phase in config["curriculum"].values()]
    orders = {_ORDERS.get(sampler["name"]) for sampler in samplers}
    if len(orders) != 1 or (order := orders.pop()) is None:
        return "not trained on scalelogic alone"
    trained = {(tuple(sampler["tiers"]), sampler["depths"][1]) for sampler in samplers}
    tiers, depth = trained.pop()
    if trained or len(tiers) != 1:
        return "trained on several tiers or depths, so that no cell is its own"
    names = {name for name, evaluator in config["evaluator"].items() if evaluator["name"] == "scalelogic"}
    wanted = {f"{tiers[0]}-d{d}" for d in range(1, depth + 1)}
    scores = [s for s in report["scores"] if s["subject"] == "student" and s["evaluator"] in names]
    accuracies = [score["value"] for score in scores if score["task"] in wanted]
    if len(accuracies) < len(wanted):
        return "not evaluated on every depth that it was trained on"
    # Phases follow one another, and each counts its own steps.
    step = sum(curve["points"][-1]["step"] for curve in report["curves"])
    return Point(Cell(tiers[0], order, depth, config["seed"]), step, fmean(accuracies)) if step else "not trained"


def grids(points: Iterable[Point], threshold: float) -> list[Grid]:
    """Steps to the threshold by tier and order, in their order; a cell that was not run counts as censored."""
    curves: dict[Cell, list[tuple[float, float]]] = {}
    for point in points:
        curves.setdefault(point.cell, []).append((point.step, point.accuracy))
    reached = {cell: steps_to_threshold(curve, threshold) for cell, curve in curves.items()}
    kinds = sorted({(TIERS.index(cell.tier), cell.order == "curriculum") for cell in reached})
    return [_grid(reached, TIERS[tier], "curriculum" if ordered else "uniform") for tier, ordered in kinds]


def _grid(reached: Mapping[Cell, float], tier: str, order: Order) -> Grid:
    # Both orders get the depths and seeds of either, so that they can be compared cell by cell.
    cells = [cell for cell in reached if cell.tier == tier]
    depths, seeds = sorted({cell.depth for cell in cells}), sorted({cell.seed for cell in cells})
    steps = [[reached.get(Cell(tier, order, depth, seed), np.nan) for seed in seeds] for depth in depths]
    return Grid(tier, order, tuple(depths), tuple(seeds), np.array(steps, dtype=float))
