"""Steps to the threshold, the power law in depth and the curriculum's speed-up, out of finished runs.

::

    python -m orca_scalelogic multirun/orca/2026-11-29_08-00-00 [--threshold 0.9] [--json scaling.json]

A command and no evaluator: an evaluator sees one checkpoint, and how cost grows is said of many runs. A run trains for as long
as its configuration says (``sampler.n``, ``student.token_budget``, epochs); T is the shortest of a cell's runs that reaches the
threshold, so it is known no closer than the lengths that were tried.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from orca_core.errors import UserError
from orca_scalelogic.reports import Grid, grids, read_points
from orca_scalelogic.scaling import THRESHOLD, Estimate, power_law, speed_up


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; 0, or 2 with a message where the user can mend something."""
    parser = argparse.ArgumentParser("python -m orca_scalelogic", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("directories", nargs="+", type=Path, help="of runs or sweeps")
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="accuracy that counts as learnt")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    options = parser.parse_args(arguments)
    try:
        points, left_out = read_points(options.directories)
    except UserError as error:
        print(f"orca_scalelogic: {error}", file=sys.stderr)
        return 2
    found = grids(points, options.threshold)
    print(f"{len(points)} runs; T: optimizer steps to an accuracy of {options.threshold:g}; -: not reached (censored)")
    for line in (*_laws(found), *_speed_ups(found), *(f"left out: {n} runs {why}" for why, n in left_out.items())):
        print(line)
    if options.json:
        options.json.write_text(json.dumps([_figures(grid) for grid in found], indent=1), encoding="utf-8")
    return 0


def _laws(found: Sequence[Grid]) -> Iterator[str]:
    """The table of every tier and order, its law, and whether the exponents rise with expressiveness."""
    exponents: list[tuple[str, float]] = []
    for grid in found:
        yield f"\n{grid.tier}, {grid.order} (seeds {', '.join(map(str, grid.seeds))})"
        for depth, row in zip(grid.depths, grid.steps, strict=True):
            yield f"  D = {depth:2d}   T = {', '.join('-' if np.isnan(t) else f'{t:g}' for t in row)}"
        law = power_law(grid.depths, grid.steps)
        if law is None:
            yield "  no fit: fewer than two depths were learnt"
            continue
        yield f"  gamma = {_said(law.gamma)}, T = {law.constant:.3g} D^gamma, R^2 = {law.r_squared:.3f}"
        if grid.order == "uniform":
            exponents.append((grid.tier, law.gamma.value))
    if len(exponents) > 1:
        rising = all(a < b for (_, a), (_, b) in pairwise(exponents))
        names = ", ".join(f"{tier} {gamma:.2f}" for tier, gamma in exponents)
        yield f"\ngamma {'rises' if rising else 'does not rise'} with expressiveness throughout: {names}"


def _speed_ups(found: Sequence[Grid]) -> Iterator[str]:
    by_kind = {(grid.tier, grid.order): grid.steps for grid in found}
    for tier in dict.fromkeys(grid.tier for grid in found):
        uniform, curriculum = by_kind.get((tier, "uniform")), by_kind.get((tier, "curriculum"))
        if uniform is None or curriculum is None:
            continue
        faster = speed_up(uniform, curriculum)
        said = "none of its cells was learnt both ways" if faster is None else _said(faster)
        yield f"\n{tier}: T uniform / T curriculum = {said}"


def _said(estimate: Estimate) -> str:
    interval = "no interval from one seed"
    if estimate.ci95:
        interval = f"95 % over seeds [{estimate.ci95[0]:.2f}, {estimate.ci95[1]:.2f}]"
    return f"{estimate.value:.2f} ({interval}; {estimate.points} cells, {estimate.censored} censored)"


def _figures(grid: Grid) -> dict[str, Any]:
    law = power_law(grid.depths, grid.steps)
    steps = [[None if np.isnan(t) else t for t in row] for row in grid.steps.tolist()]
    fit = asdict(law) if law else None
    return {
        "tier": grid.tier,
        "order": grid.order,
        "depths": grid.depths,
        "seeds": grid.seeds,
        "steps": steps,
        "power_law": fit,
    }


if __name__ == "__main__":
    sys.exit(main())
