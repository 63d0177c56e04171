"""On real text: rows of FLAN-CoT's GSM8K, with a tiny random model as the base, all of it named by config."""

from __future__ import annotations

import json
from pathlib import Path

from orca_lightning import ModelShape
from orca_lightning.job import Job
from orca_lightning.training.start import write_untrained
from orca_lightning.training.worker import train
from orca_vcrd.student import VcrdStudent

from orca_core.app import load_plugins
from orca_core.compose import compose_run
from orca_core.config import check
from orca_core.testing import make_context


def test_gsm8k_of_flan_cot_is_trained_on_step_by_step(shared: Path, tmp_path: Path) -> None:
    rows = tmp_path / "gsm8k_train.tsv"
    rows.write_text("\n".join((shared / "flan_cot/gsm8k_train.tsv").read_text().splitlines()[:24]) + "\n")
    overrides = [
        "+experiment=citing/vcrd-gsm8k", f"sampler.collections.cot.source.path={rows}", f"student.base={tmp_path}/base/checkpoint",
        "student.max_length=512", "student.generation.max_new_tokens=12", "student.step_tokens=8", "student.threads=1",
        "student.validation.share=0", "student.refresh=1000",
    ]  # fmt: skip
    plugins = load_plugins()
    run = check(compose_run(overrides, plugins)[0], plugins)
    context, (phase,) = make_context(tmp_path), run.phases
    examples = list(phase.teacher.build(context).respond(phase.sampler.build(context).sample()))
    assert len(examples) == 24
    shape = ModelShape(hidden_size=32, layers=2, heads=2, intermediate_size=48, vocab_size=400, positions=512)
    random = phase.student.config.model_copy(update={"base": None, "model": shape, "template": "orca"})
    write_untrained(Job(random, 0, None, tmp_path / "base", 0), examples)

    job = Job(phase.student.config, 1, None, tmp_path / "fit", 0)
    job.work.mkdir(parents=True)
    VcrdStudent(phase.student.config, context).prepare(job, examples)
    train(job)
    lines = [json.loads(line) for line in job.metrics.read_text().splitlines()]
    assert lines[0]["teacher_valid"] == 1, "the rows' explanations reach the rows' answers"
    assert lines[0]["student_valid"] < 0.2, "a random model does no sums"
    assert lines[0]["weight_mean"] > 1.3, "so where it was asked, the teacher counts nearly twice"
    assert 0.3 < lines[0]["proposed"] < 0.7
    assert (job.checkpoint / "model.safetensors").is_file()
