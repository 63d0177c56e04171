"""A whole run through the command line: what is done, what is found done, what survives a kill."""

import hashlib
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from toy_project import TOY_RUN

from orca_core.testing.project import Project


def asked(project: Project) -> list[str]:
    path = Path(project.env["TOY_ASKED"])
    return path.read_text().splitlines() if path.exists() else []


def report(project: Project, index: int = -1) -> dict:
    return json.loads(project.reports()[index].read_text())


def test_no_selector_keeps_every_answer(project):
    result = project.orca("run", *TOY_RUN, "selector=[]")
    assert result.returncode == 0, result.stderr
    (phase,) = report(project)["curriculum"]
    assert phase["kept"] == phase["prompts"] > 0


def stages(project: Project, *, cached: bool) -> set[str]:
    return {stage["name"] for stage in report(project)["stages"] if stage["cached"] is cached}


def artifacts(project: Project) -> dict[str, str]:
    """Every file of the store by its content, but for clocks and locks."""
    root = project.root / "store"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name not in ("done.json", "lock")
    }


def wait_for(condition, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_run_ends_in_a_report_with_every_subject_scored(project):
    result = project.orca("run", *TOY_RUN)
    assert result.returncode == 0, result.stderr
    scores = {(s["subject"], s["task"]): s for s in report(project)["scores"]}
    assert scores["teacher", "average"]["value"] == 1.0
    assert scores["base", "average"]["value"] == 0.0
    student = scores["student", "low"]
    assert 0 < student["value"] < 1
    assert student["n"] == 20
    assert student["ci95"][0] < student["value"] < student["ci95"][1]
    assert student["chance"] == pytest.approx(1 / 19)
    directory = project.reports()[0].parent
    assert {"report.html", "manifest.json", "items.json", ".hydra"} <= {path.name for path in directory.iterdir()}
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["totals"]["cost_usd"] == pytest.approx(0.01 * len(asked(project)))
    assert set(manifest["datasets"]) == {"sample/teacher", "sample/all-sums"}
    assert str(directory / "report.html").removeprefix(str(project.root) + "/") in result.stdout


def test_a_second_run_finds_everything_done(project):
    project.orca("run", *TOY_RUN)
    before = asked(project)
    project.orca("run", *TOY_RUN)
    assert asked(project) == before
    assert stages(project, cached=False) == set()


def test_a_change_reruns_only_what_depends_on_it(project):
    project.orca("run", *TOY_RUN)
    before = asked(project)
    project.orca("run", *TOY_RUN, "student.learning_rate=2")
    assert asked(project) == before
    kinds = {name.split("/")[0] for name in stages(project, cached=False)}
    assert kinds == {"fit", "answer", "score"}


def test_an_unkeyed_option_reruns_nothing(project):
    project.orca("run", *TOY_RUN)
    project.orca("run", *TOY_RUN, "teacher.workers=7")
    assert stages(project, cached=False) == set()


def test_a_sweep_asks_the_teacher_once_and_collates(project):
    result = project.orca("run", "-m", *TOY_RUN, "student.learning_rate=1,2")
    assert result.returncode == 0, result.stderr
    assert max(Counter(asked(project)).values()) <= 2  # once to train on, once as the evaluator's question
    first = asked(project)
    project.orca("run", "-m", *TOY_RUN, "student.learning_rate=1,2")
    assert asked(project) == first
    sweep = next((project.root / "multirun").glob("*/*"))
    assert (sweep / "sweep.json").exists()
    assert (sweep / "sweep.html").exists()


def test_two_runs_at_once_do_each_stage_once(project):
    slow = (*TOY_RUN, "teacher.delay=0.05")
    alone = Project(project.root / "alone")
    alone.plugin("toy", Path(project.site / "toy.py").read_text())
    alone.env |= {"TOY_ASKED": str(alone.root / "asked.txt"), "ORCA_BLOCK_PLUGINS": project.env["ORCA_BLOCK_PLUGINS"]}
    assert alone.orca("run", *TOY_RUN).returncode == 0
    both = [project.start("run", *slow, f"name=run{i}") for i in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert sorted(asked(project)) == sorted(asked(alone))
    assert len(project.reports()) == 2


@pytest.mark.parametrize(
    ("stage", "slow"),
    [("ask", "teacher.delay=0.2"), ("fit", "student.delay=2"), ("answer", "student.delay=0.1")],
)
def test_kill_9_and_the_same_command_end_in_the_same_artifacts(project, tmp_path, stage, slow):
    quiet = Project(tmp_path / "undisturbed")
    quiet.plugin("toy", Path(project.site / "toy.py").read_text())
    quiet.env["ORCA_BLOCK_PLUGINS"] = project.env["ORCA_BLOCK_PLUGINS"]
    assert quiet.orca("run", *TOY_RUN).returncode == 0
    process = project.start("run", *TOY_RUN, slow)
    wait_for(lambda: any((project.root / "store" / stage).glob("*/lock")))
    time.sleep(0.3)
    project.kill(process)
    assert not project.reports()
    assert project.orca("run", *TOY_RUN).returncode == 0
    assert artifacts(project) == artifacts(quiet)


def test_ctrl_c_exits_130_says_so_and_loses_nothing(project):
    process = project.start("run", *TOY_RUN, "teacher.delay=2")
    wait_for(lambda: any((project.root / "store/ask").glob("*/lock")))
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command carries on" in errors
    assert "Traceback" not in errors
    assert project.orca("run", *TOY_RUN).returncode == 0


def test_a_curriculum_of_two_phases_starts_the_second_from_the_first(project):
    result = project.orca(
        "run",
        "sampler=sums",
        "teacher=adder",
        "teacher@curriculum.assistant.teacher=adder-brief",
        "student=memory",
        "evaluator=[all-sums]",
        "sampler.n=60",
        "curriculum.teacher.sampler.fraction=0.2",
    )
    assert result.returncode == 0, result.stderr
    phases = report(project)["curriculum"]
    assert [(p["phase"], p["teacher"]) for p in phases] == [("assistant", "adder-brief"), ("teacher", "adder")]
    assert phases[1]["prompts"] == round(phases[0]["prompts"] * 0.2)
    scores = {(s["subject"], s["task"]): s["value"] for s in report(project)["scores"]}
    assert scores["student", "average"] > 0.3  # remembers the first phase: the second alone has too few sums


def test_plan_says_what_is_left_and_asks_nobody(project):
    result = project.orca("plan", *TOY_RUN)
    assert result.returncode == 0, result.stderr
    assert "to do" in result.stdout
    assert asked(project) == []
    assert not (project.root / "store").exists()
    project.orca("run", *TOY_RUN)
    after = project.orca("plan", *TOY_RUN).stdout
    assert "to do" not in after
    assert "done" in after


def test_report_prints_a_finished_run_again(project):
    project.orca("run", *TOY_RUN)
    result = project.orca("report", str(project.reports()[0].parent))
    assert result.returncode == 0, result.stderr
    assert "all-sums" in result.stdout
