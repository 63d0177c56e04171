"""The shipped plugins together, small: a real student is killed in the middle of training and ends as if it had not been."""

import hashlib
import json
import subprocess
import time
from pathlib import Path

import pytest

from orca_core.testing.project import Project

SMALL = (
    "curriculum=single",
    "sampler=reasoning",
    "evaluator=[reasoning]",
    "curriculum.teacher.epochs=4",
    "sampler.families=[web_of_lies,object_counting]",
    "sampler.sizes={web_of_lies:[2,4],object_counting:[2,4]}",
    "sampler.n=400",
    "evaluator.reasoning.families=[web_of_lies,object_counting]",
    "evaluator.reasoning.sizes={web_of_lies:[2,4],object_counting:[2,4]}",
    "evaluator.reasoning.n=8",
    "student.model.hidden_size=32",
    "student.model.layers=1",
    "student.model.heads=2",
    "student.threads=1",
    "student.checkpoint_seconds=0",
    "student.generation.max_new_tokens=16",
    "student.validation.share=0.1",
    "student.validation.every=5",
)


def checkpoint(project: Project) -> dict[str, str]:
    [directory] = [
        path.parent / "checkpoint"
        for path in (project.root / "store/fit").glob("*/metrics.jsonl")
        if path.stat().st_size
    ]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in directory.iterdir()}


def answers(project: Project) -> list[bytes]:
    return sorted(path.read_bytes() for path in (project.root / "store/answer").glob("*/traces-*.parquet"))


@pytest.mark.slow
def test_a_student_killed_while_training_ends_bit_for_bit_the_same(tmp_path: Path) -> None:
    undisturbed, killed = Project(tmp_path / "one"), Project(tmp_path / "two")
    result = undisturbed.orca("run", *SMALL, timeout=300)
    assert result.returncode == 0, result.stderr
    report = json.loads(undisturbed.reports()[0].read_text())
    assert {row["subject"] for row in report["scores"]} == {"student", "base", "teacher"}
    assert all(row["value"] == 1.0 for row in report["scores"] if row["subject"] == "teacher")
    points = report["curves"][0]["points"]
    assert points[-1]["perplexity"] > 1, "the last thing that is done is a measurement on the held-out questions"
    assert points[0]["step"] == points[0]["tokens"] == 0, "and the first is one of the untrained model"
    assert all(point["tokens"] for point in points[1:])
    (page,) = undisturbed.root.glob("outputs/**/report.html")
    assert f"ended at a perplexity of {points[-1]['perplexity']:.4g}" in page.read_text()

    process = killed.start("run", *SMALL)
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 2000 for path in (killed.root / "store/fit").glob("*/metrics.jsonl")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    killed.kill(process)
    assert not killed.reports()
    assert not list((killed.root / "store/fit").glob("*/done.json"))
    assert killed.orca("run", *SMALL, timeout=300).returncode == 0
    assert checkpoint(killed) == checkpoint(undisturbed)
    assert answers(killed) == answers(undisturbed)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_training_is_told_and_training_goes_on_later(tmp_path: Path) -> None:
    project, disk = Project(tmp_path / "project"), tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    run = ("run", *SMALL, "student.model.hidden_size=128", "subjects=[student]", f"store={disk}/store")
    try:
        full = project.orca(*run)
        assert full.returncode == 2, full.stderr
        assert "the disk is full" in full.stderr
        assert "Traceback" not in full.stderr
        subprocess.run(["mount", "-o", "remount,size=200m", disk], check=True)
        assert project.orca(*run).returncode == 0
        stages = {stage["name"]: stage["cached"] for stage in json.loads(project.reports()[0].read_text())["stages"]}
        assert stages["ask/teacher"]
    finally:
        subprocess.run(["umount", disk], check=True)
