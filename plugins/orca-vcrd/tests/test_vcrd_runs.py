"""The experiment in small, by the real command, and the table that is made of a sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from orca_lightning.job import Job
from orca_lightning.training.worker import train
from orca_vcrd.__main__ import table

from orca_core.cli import main
from orca_core.errors import UserError
from orca_core.report.collate import collate
from orca_core.testing.project import Project


def test_the_experiment_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained in this process: that a child does the same is orca-lightning's to test."""
    monkeypatch.setattr("orca_lightning.student.run_child", lambda job, progress: train(Job.read(job.write())))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCA_STORE", str(tmp_path / "store"))
    small = ["sampler.n=40", "evaluator.chains.n=10", "student.model.hidden_size=32", "student.model.heads=2"]
    untaught = ["curriculum.base.epochs=0", "curriculum.base.sampler.n=40"]
    assert main(["run", "+experiment=citing/vcrd", "hydra.mode=RUN", *small, *untaught]) == 0
    (path,) = Project(tmp_path).reports()
    report = json.loads(path.read_text())
    scores = {(row["subject"], row["metric"]): row for row in report["scores"]}
    assert set(scores) == {(s, m) for s in ("student", "wrong") for m in ("accuracy", "valid_steps")}
    assert scores["student", "accuracy"]["n"] == 10
    last = report["curves"][-1]["points"][-1]
    assert last["weight_invalid"] == 0
    assert 0 < last["teacher_valid"] < 1
    assert 0 <= last["student_valid"] <= 1
    with pytest.raises(UserError, match="is not a directory"):
        collate(tmp_path / "nowhere")


def job(sweep: Path, name: str, variant: str, seed: int, right: list[int]) -> None:
    """What a job of the experiment leaves, as far as a sweep's report reads it."""
    directory = sweep / name
    directory.mkdir(parents=True)
    rows, items = list[Any](), dict[str, Any]()
    for metric, chance in (("accuracy", 0.1), ("valid_steps", 0.031)):
        where = {"evaluator": "chains", "task": "chains_5", "metric": metric, "subject": "student"}
        value = sum(right) / len(right)
        rows.append({**where, "value": value, "n": len(right), "ci95": [0, 1], "chance": chance})
        items[f"chains/student/chains_5/{metric}"] = {str(i): float(one) for i, one in enumerate(right)}
    report = {
        "scores": rows,
        "overrides": [f"vcrd={variant}", f"seed={seed}"],
        "config": {"seed": seed, "compare": "vcrd=sft"},
    }
    (directory / "report.json").write_text(json.dumps(report))
    (directory / "items.json").write_text(json.dumps(items))


def test_the_table_holds_every_variant_against_plain_tuning(tmp_path: Path) -> None:
    plain, better, little = [1] * 4 + [0] * 16, [1] * 8 + [0] * 12, [1] * 5 + [0] * 15
    for seed in (0, 1):
        job(tmp_path / "a", f"s{seed}", "sft", seed, plain)
        job(tmp_path / "a", f"c{seed}", "calibrated", seed, better)
        job(tmp_path / "b", f"s{seed}", "sft", seed, plain)
        job(tmp_path / "b", f"c{seed}", "calibrated", seed, little)
    found = table(collate(tmp_path / "a"))
    assert "| sft | 20.0 (20.0, 20.0) | 20.0 (20.0, 20.0) |  |  |" in found
    assert "| calibrated | 40.0 (40.0, 40.0) | 40.0 (40.0, 40.0) | +20.0 (" in found
    assert "20 questions a seed, seeds 0, 1; chance: 10.0 % of answers, 3.1 % of steps." in found
    assert "at least 8 points: yes, +20.0 (" in found
    assert "at least 8 points: no, +5.0 (" in table(collate(tmp_path / "b"))


def test_a_sweep_that_is_cut_short_says_so(tmp_path: Path) -> None:
    job(tmp_path, "0", "sft", 0, [1, 0])
    assert table(collate(tmp_path)).endswith("Not both of calibrated and plain tuning are there yet.")
    (tmp_path / "0" / "report.json").write_text("{}")
    with pytest.raises(UserError, match="no finished job was scored on chains"):
        table(collate(tmp_path))
