"""GRPO on real questions: GSM8K rows of FLAN-CoT, whose numbers the core's verifier reads."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

from orca_lightning.job import Job
from orca_lightning.training.worker import train
from orca_scalelogic import GrpoConfig
from orca_scalelogic.grpo.student import GrpoStudent

from orca_core.component import Context
from orca_core.plugins import load


def test_it_trains_on_gsm8k_and_what_it_never_solves_changes_nothing_but_is_counted(
    shared: Path, config: GrpoConfig, context: Context, tmp_path: Path
) -> None:
    plugins = load()

    def part(kind: str, node: dict[str, Any]) -> Any:
        component = plugins.find(kind, node["name"]).component
        given = {key: value for key, value in node.items() if key != "name"}
        return component.build(component.config(**given), context)

    rows = {"kind": "cot", "path": shared / "flan_cot/gsm8k_train.tsv", "inversions": False}
    prompts = part("sampler", {"name": "flan", "collections": {"cot": {"source": rows, "n": 8}}}).sample()
    examples = list(part("teacher", {"name": "reference"}).respond(islice(prompts, 8)))
    job = Job(config, 1, None, tmp_path / "fit", 7)
    job.work.mkdir(parents=True)
    GrpoStudent(config, context).prepare(job, examples)
    train(job)
    steps = [json.loads(line) for line in job.metrics.read_text().splitlines()]
    assert len(steps) == 2
    assert all((step["reward"], step["dropped"], step["grad_norm"]) == (0.0, 1.0, 0.0) for step in steps)
