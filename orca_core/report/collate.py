"""Collating a sweep: every job in one table, means over seeds, every variant tested against its baseline.

Takes what is there: jobs that failed or have not finished are rows that say so.
"""

from __future__ import annotations

import json
from pathlib import Path

from orca_core.report.compare import Comparison, choose_baselines, compare
from orca_core.report.jobs import measures, read_jobs, variants
from orca_core.report.sweep import Sweep, as_json
from orca_core.report.sweep_page import write_sweep_html


def collate(sweep_dir: Path | str) -> Sweep:
    """Read a sweep's jobs, compare its variants, and write ``sweep.json`` and ``sweep.html`` into its directory.

    Raises:
        UserError: no such directory, or no job in it.
    """
    directory = Path(sweep_dir)
    jobs = read_jobs(directory)
    found, measured = variants(jobs), measures(jobs)
    reports = [job.report for job in jobs if job.report]
    wanted = next((str(report.config["compare"]) for report in reports if report.config.get("compare")), None)
    baselines, notes = choose_baselines(found, wanted)
    notes += [
        f"job {job.name} kept no items: left out of the tests"
        for job in jobs
        if job.report and measured and baselines and not job.items
    ]
    comparisons: list[Comparison] = []
    for measure in measured:
        compared, remarks = compare(measure, found, baselines)
        comparisons += compared
        notes += remarks
    name = reports[0].name if reports else directory.name
    sweep = Sweep(directory, name, jobs, found, measured, comparisons, notes)
    (directory / "sweep.json").write_text(json.dumps(as_json(sweep), indent=1, ensure_ascii=False), encoding="utf-8")
    write_sweep_html(sweep, directory / "sweep.html")
    return sweep
