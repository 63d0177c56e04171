"""Steps to the threshold, the power law in depth and the curriculum's speed-up, out of finished runs.

::

    python -m orca_scalelogic multirun/scalelogic [--threshold 0.9] [--json scaling.json]

A command and no evaluator: an evaluator sees one checkpoint, and how cost grows is said of many. T is the first measurement that
reaches the threshold, so it is known no closer than measurements lie apart.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from orca_core.errors import UserError
from orca_scalelogic.reports import Grid, Kind, grids, read_points
from orca_scalelogic.scaling import THRESHOLD, Estimate, PowerLaw, power_law, speed_up


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 0, or 2 with a message where the user can mend something."""
    parser = argparse.ArgumentParser("python -m orca_scalelogic", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directories", nargs="+", type=Path, help="of runs or sweeps")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="accuracy that counts as learnt")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args(arguments)
    try:
        points, runs, left_out = read_points(options.directories)
    except UserError as error:
        print(f"orca_scalelogic: {error}", file=sys.stderr)
        return 2
    found = grids(points, options.threshold)
    print(
        f"{runs} runs. T: optimizer steps to an accuracy of {options.threshold:g} on held-out questions; "
        "-: not reached (censored), with the best accuracy"
    )
    for line in (*_laws(found), *_orders(found), *_speed_ups(found)):
        print(line)
    for why, n in left_out.items():
        print(f"left out: {n} runs {why}")
    if options.json:
        options.json.write_text(json.dumps([_figures(grid) for grid in found], indent=1), encoding="utf-8")
    return 0


def _laws(found: Sequence[Grid]) -> Iterator[str]:
    """A table for each way of training: T of every tier, order and depth, and the law."""
    for method, of in groupby(found, lambda grid: grid.kind.method):
        these = list(of)
        asked = [n for grid in these for n in grid.questions]
        seeds = sorted({seed for grid in these for seed in grid.seeds})
        yield f"\n{method}; seeds {', '.join(map(str, seeds))}; accuracy on {min(asked)} to {max(asked)} questions\n"
        yield "| tier | order | D | T, by seed |"
        yield "|---|---|---:|---|"
        for grid in these:
            for depth, steps, best in zip(grid.depths, grid.steps, grid.best, strict=True):
                cells = ", ".join(_cell(t, accuracy) for t, accuracy in zip(steps, best, strict=True))
                yield f"| {grid.kind.tier} | {grid.kind.order} | {depth} | {cells} |"
        yield ""
        yield from (
            f"{grid.kind.tier}, {grid.kind.order}: {_law(power_law(grid.depths, grid.steps))}" for grid in these
        )


def _cell(steps: float, best: float) -> str:
    if np.isnan(best):
        return "not run"
    return f"- ({100 * best:.0f} %)" if np.isnan(steps) else f"{steps:g}"


def _law(law: PowerLaw | None) -> str:
    if law is None:
        return "no fit, fewer than two depths were learnt"
    return f"gamma = {_said(law.gamma)}, T = {law.constant:.3g} D^gamma, R^2 = {law.r_squared:.3f}"


def _orders(found: Sequence[Grid]) -> Iterator[str]:
    """Whether the exponents rise with expressiveness, for each way of training."""
    for method, of in groupby((g for g in found if g.kind.order == "uniform"), lambda grid: grid.kind.method):
        laws = [(grid.kind.tier, power_law(grid.depths, grid.steps)) for grid in of]
        exponents = [(tier, law.gamma.value) for tier, law in laws if law]
        if len(exponents) > 1:
            rising = all(a < b for (_, a), (_, b) in pairwise(exponents))
            names = ", ".join(f"{tier} {gamma:.2f}" for tier, gamma in exponents)
            yield f"\n{method}: gamma {'rises' if rising else 'does not rise'} with expressiveness throughout: {names}"


def _speed_ups(found: Sequence[Grid]) -> Iterator[str]:
    by_kind = {grid.kind: grid for grid in found}
    for grid in found:
        other = by_kind.get(Kind(grid.kind.tier, grid.kind.method, "curriculum"))
        if grid.kind.order == "uniform" and other is not None:
            both = sorted({*grid.depths} & {*other.depths}), sorted({*grid.seeds} & {*other.seeds})
            faster = speed_up(grid.at(*both), other.at(*both))
            said = "none of its cells was learnt both ways" if faster is None else _said(faster)
            yield f"\n{grid.kind.method}, {grid.kind.tier}: T uniform / T curriculum = {said}"


def _said(estimate: Estimate) -> str:
    interval = "no interval from one seed"
    if estimate.ci95:
        interval = f"95 % over seeds [{estimate.ci95[0]:.2f}, {estimate.ci95[1]:.2f}]"
    return f"{estimate.value:.2f} ({interval}; {estimate.points} cells, {estimate.censored} censored)"


def _figures(grid: Grid) -> dict[str, Any]:
    law = power_law(grid.depths, grid.steps)
    return {
        **grid.kind._asdict(),
        "depths": grid.depths,
        "seeds": grid.seeds,
        "steps": _plain(grid.steps),
        "best": _plain(grid.best),
        "questions": grid.questions,
        "power_law": asdict(law) if law else None,
    }


def _plain(table: Any) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in table.tolist()]


if __name__ == "__main__":
    sys.exit(main())
