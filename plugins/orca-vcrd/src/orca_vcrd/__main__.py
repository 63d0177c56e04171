"""``python -m orca_vcrd DIRECTORY``: what became of a sweep of ``orca run -m +experiment=citing/vcrd``, as a Markdown table.

Variants are compared with plain tuning on the same questions and seeds, as the sweep's own report does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

from orca_core import UserError
from orca_core.report.collate import collate
from orca_core.report.jobs import Measure, Variant
from orca_core.report.sweep import Sweep
from orca_core.stats import AVERAGE, Difference

RIGHT: Final[Measure] = ("chains", "accuracy")
STEPS: Final[Measure] = ("chains", "valid_steps")
OURS: Final = "calibrated"
CLAIM: Final = 0.08
"""What weighing steps by their validity must be better by than plain tuning."""
HEAD: Final = "| variant | right, % (by seed) | valid steps, % (by seed) | against plain tuning, points (95 %) | p, over questions |"


def table(sweep: Sweep) -> str:
    """Every variant that was finished, worst first, and whether the claim holds.

    Raises:
        UserError: no job of the sweep was scored on chains.
    """
    variants = [variant for variant in sweep.variants if variant.values(RIGHT)]
    if not variants:
        raise UserError(
            f"{sweep.directory}: no finished job was scored on chains; orca run -m +experiment=citing/vcrd makes some"
        )
    ordered = sorted(variants, key=lambda variant: fmean(variant.values(RIGHT)))
    return "\n".join(
        [HEAD, "|---|---|---|---|---|", *(_row(sweep, one) for one in ordered), "", _measured(ordered), _claim(sweep)]
    )


def _row(sweep: Sweep, variant: Variant) -> str:
    found = sweep.comparison(RIGHT, variant.label)
    against = ("", "") if found is None else (_points(found.difference), f"{found.p_items_holm:.4f}")
    cells = (variant.label, *(_by_seed(variant.values(measure)) for measure in (RIGHT, STEPS)), *against)
    return f"| {' | '.join(cells)} |"


def _by_seed(values: Sequence[float]) -> str:
    return f"{100 * fmean(values):.1f} ({', '.join(f'{100 * value:.1f}' for value in values)})"


def _points(difference: Difference) -> str:
    low, high = difference.ci95
    return f"{100 * difference.estimate:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _measured(variants: Sequence[Variant]) -> str:
    """How many questions and seeds, and what chance is."""
    row, steps = (variants[0].jobs[0].scores(measure)[AVERAGE] for measure in (RIGHT, STEPS))
    seeds = sorted({job.seed for variant in variants for job in variant.jobs})
    return (
        f"{row.n} questions a seed, seeds {', '.join(seeds)}; chance: {100 * (row.chance or 0):.1f} % of answers, "
        f"{100 * (steps.chance or 0):.1f} % of steps. p by Holm's correction over the variants."
    )


def _claim(sweep: Sweep) -> str:
    found = sweep.comparison(RIGHT, OURS)
    if found is None:
        return f"Not both of {OURS} and plain tuning are there yet."
    holds = "yes" if found.difference.estimate >= CLAIM else "no"
    return (
        f"{OURS} better than plain tuning by at least {100 * CLAIM:.0f} points: {holds}, {_points(found.difference)}."
    )


if __name__ == "__main__":
    try:
        print(table(collate(Path(sys.argv[1] if len(sys.argv) > 1 else "."))))
    except UserError as error:
        raise SystemExit(f"{error}") from None
