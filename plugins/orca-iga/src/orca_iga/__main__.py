"""``python -m orca_iga DIRECTORY``: did the mask make students lean less on the shortcut, and answer better where there is none?

Reads every job of ``orca run -m +experiment=citing/iga`` and prints Markdown tables: what each mask led to, how far it is from plain
fine-tuning with the same seeds on the same questions, and whether that is what the paper leads one to expect.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Final, NamedTuple

from orca_core.errors import UserError
from orca_core.report.jobs import Measure, Variant, read_jobs, variants
from orca_core.stats import Difference, paired_difference
from orca_iga.evaluator import ASIDE, EVALUATOR, GAP, LCS, RANDOM, TELLING
from orca_iga.isomers import TASK

CHOICE: Final = "iga"
ERM, IGA, SHUFFLED = "erm", "iga", "shuffled"
RATIO: Final = 0.75
"""Of plain fine-tuning's gap, what the mask may leave."""


class Figure(NamedTuple):
    """What is measured, and on what."""

    metric: str
    task: str

    @property
    def measure(self) -> Measure:
        """As the core names it."""
        return EVALUATOR.name, self.metric


SHORTCUT, HELD_OUT, CONSISTENCY = Figure(GAP, TASK), Figure("accuracy", ASIDE), Figure(LCS, TASK)
COLUMNS: Final = {
    "telling cue": Figure("accuracy", TELLING),
    "random cue": Figure("accuracy", RANDOM),
    "held-out domains": HELD_OUT,
    "gap": SHORTCUT,
}


def read(directory: Path) -> dict[str, Variant]:
    """The sweep's variants by their choice of a mask.

    Raises:
        UserError: no such directory, no finished job, or none without a mask.
    """
    found = {variant.choices.get(CHOICE, ""): variant for variant in variants(read_jobs(directory))}
    found = {name: variant for name, variant in found.items() if name}
    if ERM not in found:
        raise UserError(
            f"{directory}: holds no finished job with iga={ERM}, which the others are compared with; orca run -m "
            "+experiment=citing/iga makes one"
        )
    return found


def difference(a: Variant, b: Variant, figure: Figure) -> Difference:
    """How far a stands above b: the same seeds, the same questions, cores as clusters."""
    outcomes = [
        {seed: {figure.task: tasks[figure.task]} for seed, tasks in variant.outcomes(figure.measure).items()}
        for variant in (a, b)
    ]
    clusters = {item: core for variant in (a, b) for job in variant.jobs for item, core in job.clusters.items()}
    return paired_difference(*outcomes, clusters=clusters)


def table(found: dict[str, Variant]) -> str:
    """Both tables, then the verdicts."""
    head = [*COLUMNS, "LCS (accuracy of the same answers)", "mean M"]
    lines = [f"| `iga=` | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    baseline = found[ERM]
    for name, variant in found.items():
        fewer = f" ({len(variant.jobs)} seeds)" if len(variant.jobs) != len(baseline.jobs) else ""
        lines.append(f"| {name}{fewer} | {' | '.join(_cells(variant))} |")
    lines += [
        "",
        _sizes(baseline),
        "",
        f"| against `iga={ERM}` | gap (95 %) | held-out domains (95 %) |",
        "|---|---|---|",
    ]
    for name, variant in found.items():
        if name != ERM:
            apart = [_said(difference(variant, baseline, figure)) for figure in (SHORTCUT, HELD_OUT)]
            lines.append(f"| {name} | {' | '.join(apart)} |")
    return "\n".join([*lines, "", *verdicts(found)])


def verdicts(found: dict[str, Variant]) -> Iterator[str]:
    """What was to be shown, and whether it was."""
    baseline = found[ERM]
    for name in (IGA, SHUFFLED):
        if name not in found:
            continue
        less, more = _passes(found[name], baseline)
        gap, gap_erm, aside, aside_erm = (
            f"{100 * _mean(variant, figure):.1f}"
            for figure in (SHORTCUT, HELD_OUT)
            for variant in (found[name], baseline)
        )
        yield f"- `{name}`: gap {gap}, {_which(less)} at most {RATIO} of {ERM}'s {gap_erm}"
        yield f"- `{name}`: held-out domains {aside}, {_which(more)} at least {ERM}'s {aside_erm}"
    if IGA in found and SHUFFLED in found:
        gap, aside = (_said(difference(found[SHUFFLED], found[IGA], figure)) for figure in (SHORTCUT, HELD_OUT))
        yield f"- `{SHUFFLED}` against `{IGA}`: gap {gap}, held-out domains {aside}"
        if all(_passes(found[SHUFFLED], baseline)):
            yield "- The shuffled mask does both as well: that it matters *which* coordinates are damped is not shown."


def _passes(variant: Variant, baseline: Variant) -> tuple[bool, bool]:
    """(little enough of the gap is left, held-out domains did not suffer)."""
    little = _mean(variant, SHORTCUT) <= RATIO * _mean(baseline, SHORTCUT)
    return little, _mean(variant, HELD_OUT) >= _mean(baseline, HELD_OUT)


def _mean(variant: Variant, figure: Figure) -> float:
    return fmean(variant.values(figure.measure, figure.task))


def _which(holds: bool) -> str:
    return "which is" if holds else "which is NOT"


def _cells(variant: Variant) -> Iterator[str]:
    """Means over the seeds in points, seed by seed behind them."""
    for figure in COLUMNS.values():
        values = variant.values(figure.measure, figure.task)
        yield f"{100 * fmean(values):.1f} ({', '.join(f'{100 * value:.1f}' for value in values)})"
    yield f"{_mean(variant, CONSISTENCY):.3f} ({100 * _accuracy_beside(variant):.1f})"
    yield f"{_mean_mask(variant):.2f}"


def _accuracy_beside(variant: Variant) -> float:
    """Of the answers that the consistency is of: random cues, trained and held-out domains together."""
    rows = [
        row for job in variant.jobs for task, row in job.scores(HELD_OUT.measure).items() if task in (RANDOM, ASIDE)
    ]
    return sum((row.value or 0) * (row.n or 0) for row in rows) / sum(row.n or 0 for row in rows)


def _mean_mask(variant: Variant) -> float:
    """Over the last phase's steps."""
    curves = [job.report.curves[-1].points for job in variant.jobs if job.report and job.report.curves]
    return fmean(mask for points in curves for point in points if (mask := point.get("mask_mean")) is not None)


def _sizes(variant: Variant) -> str:
    rows = [job.scores(figure.measure)[figure.task] for job in variant.jobs[:1] for figure in COLUMNS.values()]
    told = ", ".join(f"{name} n = {row.n}" for name, row in zip(COLUMNS, rows, strict=True))
    return f"In points; of each seed {told}. Chance: accuracy 10, gap 0. {len(variant.jobs)} seeds, in brackets one by one."


def _said(found: Difference) -> str:
    low, high = found.ci95
    return f"{100 * found.estimate:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def main(arguments: Sequence[str]) -> str:
    """The tables of the directory named."""
    return table(read(Path(arguments[0] if arguments else ".")))


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except UserError as error:
        raise SystemExit(f"{error}") from None
